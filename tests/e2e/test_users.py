"""What is decided in user holds in auth and notifications: over real sockets, by the services' own feeds."""

import io
import json
import time
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import pytest
from dotenv import dotenv_values
from tests.e2e.test_account_messages import arrived, code_of

if TYPE_CHECKING:
    from tests.conftest import Platform

pytestmark = pytest.mark.slow

EMAIL, PASSWORD = "edith@example.com", "correct horse battery staple"
Found = TypeVar("Found")


def eventually(look: Callable[[], Found | None]) -> Found:
    """What `look` finds, within the moments that a feed takes."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.05)
    pytest.fail("it did not come about")


def test_a_user_from_the_first_sign_in_to_being_forgotten(platform: "Platform") -> None:
    auth, user, mailbox = (platform.urls[name] for name in ("auth", "user", "mailbox"))
    account = {"email": EMAIL, "password": PASSWORD}
    with httpx.Client(timeout=15) as http, httpx.Client(timeout=15, base_url=f"{user}/user/v1") as administrator:

        def sign_in() -> httpx.Response:
            return http.post(f"{auth}/auth/v1/sessions", json={**account, "device_id": "laptop"})

        http.post(f"{auth}/auth/v1/identities", json={**account, "locale": "en"}).raise_for_status()
        code = code_of(arrived(http, mailbox, EMAIL, "Confirm", "EMAIL"))
        http.post(f"{auth}/auth/v1/email-verifications", json={"email": EMAIL, "code": code}).raise_for_status()
        session: dict[str, Any] = sign_in().raise_for_status().json()
        mine = {"Authorization": f"Bearer {session['access_token']}"}
        me = eventually(lambda: _ok(http.get(f"{user}/user/v1/me", headers=mine)))
        administrator.headers.update(as_operator(http, platform))

        security = f"{user}/user/v1/me/preferences/security"
        etag = http.get(security, headers=mine).headers["ETag"]
        wish = {"sign_in_notices": "EVERY"}
        http.patch(security, json=wish, headers={**mine, "If-Match": etag}).raise_for_status()
        eventually(lambda: _notice(http, mailbox, sign_in))

        administrator.post(f"/users/{me['id']}/suspension", json={"reason": "spam"}).raise_for_status()
        eventually(lambda: True if http.get(f"{user}/user/v1/me", headers=mine).status_code == 401 else None)
        assert sign_in().json()["code"] == "account_suspended"
        administrator.delete(f"/users/{me['id']}/suspension").raise_for_status()
        history = f"{auth}/auth/v1/security-events"
        of_user = {"user_id": me["id"], "type": "account.reinstated"}
        eventually(lambda: http.get(history, params=of_user, headers=administrator.headers).json()["items"] or None)
        assert sign_in().status_code == 201

        with zipfile.ZipFile(
            io.BytesIO(administrator.get(f"/users/{me['id']}/archive").raise_for_status().content)
        ) as file:
            known = {name: json.loads(file.read(name)) for name in file.namelist()}
        assert known["auth.json"]["identities"][0]["email"] == EMAIL
        assert known["user.json"]["sessions"]
        assert known["notifications.json"]["notifications"]

        erasure = administrator.post(f"/users/{me['id']}/erasure").raise_for_status().json()["id"]
        receipt = eventually(lambda: _completed(administrator.get(f"/erasures/{erasure}").json()))
        assert all(receipt["counts"].values())
        assert EMAIL not in json.dumps(receipt)
        assert administrator.get(f"/users/{me['id']}").status_code == 404
        assert sign_in().status_code == 401


def test_the_limit_of_an_api_key_holds_at_notifications_and_user_hears_of_its_uses(platform: "Platform") -> None:
    user, messages = (platform.urls[name] for name in ("user", "notifications"))
    keys = f"{user}/user/v1/api-keys"
    wanted = {"name": "k", "service": "billing", "scopes": ["notification:read"], "rate_limit": 3}
    with httpx.Client(timeout=15) as http:
        operator = as_operator(http, platform)
        made: dict[str, Any] = http.post(keys, json=wanted, headers=operator).raise_for_status().json()
        program = eventually(lambda: bearer(http, platform, made["client_id"], made["key"]))
        listing = f"{messages}/notifications/v1/notifications"
        assert [http.get(listing, headers=program).status_code for _ in range(4)] == [200, 200, 200, 429]

        def uses() -> int:
            return http.get(f"{keys}/{made['id']}", headers=operator).json()["usage_count"]

        eventually(lambda: True if uses() == 4 else None)  # one token, three requests; the refused one is none
        assert uses() == 4


def as_operator(http: httpx.Client, platform: "Platform") -> dict[str, str]:
    key = dotenv_values(platform.directory / ".orion" / "secrets.env")["AUTH_OPERATOR_KEY"] or ""
    return eventually(lambda: bearer(http, platform, "operator", key))


def bearer(http: httpx.Client, platform: "Platform", client_id: str, key: str) -> dict[str, str] | None:
    """What shows the token that somebody gets for a key; None while auth does not know it."""
    form = {"grant_type": "client_credentials"}
    answer = http.post(f"{platform.urls['auth']}/auth/oauth2/token", data=form, auth=(client_id, key))
    return {"Authorization": f"Bearer {answer.json()['access_token']}"} if answer.status_code == 200 else None


def _ok(answer: httpx.Response) -> dict[str, Any] | None:
    return answer.json() if answer.status_code == 200 else None


def _completed(erasure: dict[str, Any]) -> dict[str, Any] | None:
    return erasure if erasure["completed_at"] else None


def _notice(http: httpx.Client, mailbox: str, sign_in: Callable[[], httpx.Response]) -> bool | None:
    sign_in().raise_for_status()  # auth may not have heard of the wish yet
    messages = http.get(f"{mailbox}/messages", params={"to": EMAIL, "channel": "EMAIL"}).json()["messages"]
    return True if any("signed in" in message["subject"] for message in messages) else None
