"""An invitation to an organization, from user by notifications to a mailbox and back, and a batch to all members."""

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from dotenv import dotenv_values
from tests.e2e.test_account_messages import arrived, code_of
from tests.e2e.test_users import eventually

if TYPE_CHECKING:
    from tests.conftest import Platform

pytestmark = pytest.mark.slow

PASSWORD, GUEST = "correct horse battery staple", "guest@example.com"
MAINTENANCE = {
    "name": "Maintenance",
    "template": "system_maintenance",
    "channel": "EMAIL",
    "variables": {
        "name": "all of Acme",
        "starts_at": "2026-12-01T02:00:00Z",
        "ends_at": "2026-12-01T03:00:00Z",
        "product_name": "Orion",
        "support_url": "https://help.example/",
        "status_url": "https://status.example/",
        "impact": "read_only",
    },
}


def test_an_invited_stranger_joins_by_the_link_in_the_mail_and_gets_what_all_members_get(platform: "Platform") -> None:
    auth, user, mailbox = (platform.urls[name] for name in ("auth", "user", "mailbox"))
    with httpx.Client(timeout=15) as http:

        def signed_in(email: str) -> tuple[str, dict[str, str]]:
            account = {"email": email, "password": PASSWORD}
            http.post(f"{auth}/auth/v1/identities", json={**account, "locale": "en"}).raise_for_status()
            code = code_of(arrived(http, mailbox, email, "Confirm", "EMAIL"))
            http.post(f"{auth}/auth/v1/email-verifications", json={"email": email, "code": code}).raise_for_status()
            session = http.post(f"{auth}/auth/v1/sessions", json=account).raise_for_status().json()
            headers = {"Authorization": f"Bearer {session['access_token']}"}
            me: dict[str, Any] = eventually(lambda: _ok(http.get(f"{user}/user/v1/me", headers=headers)))
            return me["id"], headers

        key = dotenv_values(platform.directory / ".orion" / "secrets.env")["AUTH_OPERATOR_KEY"] or ""
        form = {"grant_type": "client_credentials"}
        token = http.post(f"{auth}/auth/oauth2/token", data=form, auth=("operator", key)).raise_for_status().json()
        operator = {"Authorization": f"Bearer {token['access_token']}"}
        owner_id, owner = signed_in("owner@example.com")
        wanted = {"name": "Acme", "slug": "acme", "owner_id": owner_id}
        made = http.post(f"{user}/user/v1/organizations", json=wanted, headers=operator).raise_for_status().json()
        acme = f"{user}/user/v1/organizations/{made['id']}"
        http.post(f"{acme}/invitations", json={"email": GUEST}, headers=owner).raise_for_status()

        mail = arrived(http, mailbox, GUEST, "Your invitation to Acme", "EMAIL")
        found = re.search(r"http\S+/user/v1/invitation-links/(\S+)", mail["text"])
        assert found is not None, mail["text"]
        assert "no account with the address" in http.get(found[0]).text
        _, guest = signed_in("other@example.com")
        accepted = http.post(f"{user}/user/v1/me/invitation-acceptances", json={"token": found[1]}, headers=guest)
        assert accepted.json()["status"] == "ACTIVE", accepted.text
        assert http.get(acme, headers=guest).status_code == 200

        batches = f"{platform.urls['notifications']}/notifications/v1/batches"
        wanted = {**MAINTENANCE, "audience": {"organization_id": made["id"]}}
        batch = http.post(batches, json=wanted, headers=operator).raise_for_status().json()
        http.patch(f"{batches}/{batch['id']}", json={"status": "RUNNING"}, headers=operator).raise_for_status()
        for member in ("owner@example.com", "other@example.com"):
            arrived(http, mailbox, member, "all of Acme", "EMAIL")


def _ok(answer: httpx.Response) -> dict[str, Any] | None:
    return answer.json() if answer.status_code == 200 else None
