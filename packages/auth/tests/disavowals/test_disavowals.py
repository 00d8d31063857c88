""" "This wasn't me": the link in the notice of a new device, and what its button does."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from orion_auth.disavowals.rules import LIFETIME
from orion_contracts.account_messages import MessageSecrets, SecurityNoticeRaised
from orion_contracts.events import SecurityEpochRaised
from orion_core.sealing import Keyring, SealError

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

EVENT_KEYS = "e1:ZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWVlZWU="


ELSEWHERE = (
    "INSERT INTO oauth_connections (name, protocol, client_id, issuer) "
    "VALUES ('example', 'OIDC', 'orion', 'https://accounts.example.com')"
)
LINKED = (
    "INSERT INTO oauth_providers (user_id, provider, provider_id, created_at) "
    "VALUES (CAST(CAST(:id AS text) AS uuid), 'example', :name, :at)"
)
ADDED = """
    WITH passkey AS (
      INSERT INTO webauthn_credentials (user_id, credential_id, public_key, name, created_at)
      SELECT id, sha256('id'), sha256('key'), 'his', :at FROM identities
    ), codes AS (
      INSERT INTO two_factor_backup_codes (user_id, code_hash) SELECT id, sha256('code') FROM identities
    )
    UPDATE two_factor_auth SET
      is_enabled = true, primary_method = 'TOTP', totp_secret = '\\x00', totp_verified_at = :at,
      hardware_key_verified_at = :at, backup_codes_generated_at = :at,
      recovery_email = 'eve@evil.example', recovery_email_verified_at = :at
    WHERE user_id = CAST(CAST(:id AS text) AS uuid)
"""


async def come(auth: "Auth", device_id: str) -> httpx.Response:
    body = {"email": "ada@example.com", "password": auth.password, "device_id": device_id}
    return await auth.http.post("/auth/v1/sessions", json=body)


async def notice_of(auth: "Auth", kind: str = "device.new") -> SecurityNoticeRaised:
    [row] = await auth.rows(
        "SELECT data FROM outbox WHERE type = :type AND data->>'notice' = :kind ORDER BY sequence DESC LIMIT 1",
        type=SecurityNoticeRaised.type,
        kind=kind,
    )
    return SecurityNoticeRaised.read(row["data"])


def link_in(notice: SecurityNoticeRaised) -> str:
    place = SecurityNoticeRaised.associated_data(notice.notice_id, notice.user_id)
    assert notice.secrets is not None
    link = MessageSecrets.model_validate_json(Keyring.parse(EVENT_KEYS).open_text(notice.secrets, place)).link
    assert link is not None
    return link


async def intruded(auth: "Auth") -> tuple[dict[str, Any], dict[str, Any], str]:
    """The owner's session, the intruder's, and the link in the notice that the owner got of it."""
    await auth.verified()
    mine, theirs = (await come(auth, "laptop")).json(), (await come(auth, "strange")).json()
    return mine, theirs, link_in(await notice_of(auth))


async def test_opening_the_link_changes_nothing_however_often(auth: "Auth") -> None:
    mine, _, link = await intruded(auth)
    before = await auth.rows("SELECT * FROM identities"), await auth.rows("SELECT * FROM disavowals")
    for _ in range(3):
        page = await auth.http.get(link)
        assert page.status_code == 200
        assert '<form method="post"' in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert (await auth.http.head(link)).status_code == 200
    assert (await auth.rows("SELECT * FROM identities"), await auth.rows("SELECT * FROM disavowals")) == before
    assert (await auth.refresh(mine["refresh_token"])).status_code == 200


async def test_the_button_locks_everybody_out_until_a_reset(auth: "Auth") -> None:
    mine, theirs, link = await intruded(auth)
    assert (await auth.http.post(f"{link}/confirmation")).status_code == 204
    for session in (mine, theirs):
        assert (await auth.refresh(session["refresh_token"])).status_code == 400
        headers = auth.as_bearer(session["access_token"])
        assert (await auth.http.get("/auth/v1/me/devices", headers=headers)).status_code == 401
    refused = [await come(auth, "laptop"), await come(auth, "strange")]
    assert {answer.json()["code"] for answer in refused} == {"invalid_credentials"}
    devices = await auth.rows("SELECT device_id, status::text FROM devices ORDER BY device_id")
    assert [tuple(row.values()) for row in devices] == [("laptop", "UNTRUSTED"), ("strange", "BLOCKED")]
    notice = await notice_of(auth, "device.disavowed")
    assert notice.secrets is None
    [event] = await auth.rows(
        "SELECT details, severity::text FROM security_events WHERE event_type = 'device.disavowed'"
    )
    assert event == {"details": {"sessions_ended": 2, "taken_back": 0}, "severity": "CRITICAL"}
    operator = auth.as_bearer(await auth.operator_token())
    found = (await auth.http.get("/auth/v1/security-events?tag=intruder", headers=operator)).json()["items"]
    assert [(each["type"], each["tags"]) for each in found] == [("device.disavowed", ["intruder"])], "not device.new"


async def test_no_device_is_trusted_any_more(auth: "Auth") -> None:
    mine, _, link = await intruded(auth)
    headers = auth.as_bearer(mine["access_token"])
    for device in (await auth.http.get("/auth/v1/me/devices", headers=headers)).json()["items"]:
        await auth.http.put(f"/auth/v1/me/devices/{device['id']}/trust", headers=headers)
    await auth.http.post(f"{link}/confirmation")
    left = await auth.rows("SELECT 1 FROM devices WHERE status = 'TRUSTED' OR secret_hash IS NOT NULL")
    assert left == []


async def test_of_many_presses_one_does_it(auth: "Auth") -> None:
    _, _, link = await intruded(auth)
    answers = await asyncio.gather(*(auth.http.post(f"{link}/confirmation") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [204] + [410] * 7
    events = await auth.rows("SELECT count(*) FROM security_events WHERE event_type = 'device.disavowed'")
    assert events == [{"count": 1}]
    assert (await auth.http.get(link)).status_code == 410
    as_page = await auth.http.post(f"{link}/confirmation", headers={"Accept": "text/html"})
    assert (as_page.status_code, "no longer works" in as_page.text) == (410, True)


async def test_a_link_ends_after_a_week(auth: "Auth") -> None:
    _, _, link = await intruded(auth)
    auth.clock.advance(seconds=(LIFETIME + timedelta(seconds=1)).total_seconds())
    assert (await auth.http.get(link)).status_code == 410
    assert (await auth.http.post(f"{link}/confirmation")).json()["code"] == "link_is_dead"


@pytest.mark.parametrize("token", ["x", "a" * 32 + "." + "b" * 43, "0" * 32 + "." + "b" * 43])
async def test_what_is_no_link_of_ours_does_nothing(auth: "Auth", token: str) -> None:
    await intruded(auth)
    before = await auth.counts()
    assert (await auth.http.get(f"/auth/v1/disavowals/{token}")).status_code == 410
    assert (await auth.http.post(f"/auth/v1/disavowals/{token}/confirmation")).status_code == 410
    assert await auth.counts() == before


async def test_the_secret_of_another_link_is_not_this_ones(auth: "Auth") -> None:
    _, _, link = await intruded(auth)
    await come(auth, "third")
    other = link_in(await notice_of(auth))
    mixed = (
        f"{link.partition('.test')[0]}.test{link.partition('.test')[2].rpartition('.')[0]}.{other.rpartition('.')[2]}"
    )
    assert (await auth.http.get(mixed)).status_code == 410
    assert (await auth.http.post(f"{mixed}/confirmation")).status_code == 410


async def test_the_link_is_sealed_to_its_notice_and_kept_as_a_hash(auth: "Auth") -> None:
    _, _, link = await intruded(auth)
    secret = link.rpartition(".")[2]
    notice = await notice_of(auth)
    for table in ("disavowals", "outbox", "security_events"):
        rows = await auth.rows(f"SELECT {table}::text AS text FROM {table}")
        assert not any(secret in row["text"] for row in rows)
    assert notice.secrets is not None
    with pytest.raises(SealError):
        Keyring.parse(EVENT_KEYS).open_text(
            notice.secrets, SecurityNoticeRaised.associated_data(notice.user_id, notice.user_id)
        )


async def test_what_was_added_since_lets_nobody_in_any_more(auth: "Auth") -> None:
    """Whoever came in by a stolen password has seen to it that he comes in again, by a passkey or a linked account."""
    await auth.verified()
    owner = (await come(auth, "laptop")).json()
    headers = auth.as_bearer(owner["access_token"])
    await auth.http.post("/auth/v1/me/two-factor/email", headers=headers)
    shown = {"method": "EMAIL", "code": (await auth.sent("TWO_FACTOR_CODE"))[0].code}
    await auth.http.post("/auth/v1/me/two-factor/confirmations", json=shown, headers=headers)
    await auth.execute("UPDATE two_factor_auth SET is_enabled = false")  # so that the intruder needs the password alone
    await auth.execute(ELSEWHERE)
    await auth.execute(LINKED, id=owner["user_id"], name="hers", at=auth.clock() - timedelta(days=3))
    auth.clock.advance(minutes=1)
    intruder = auth.as_bearer((await come(auth, "strange")).json()["access_token"])
    link = link_in(await notice_of(auth))
    auth.clock.advance(minutes=1)
    asked = {"email": "eve@example.com"}
    assert (await auth.http.post("/auth/v1/me/email-changes", json=asked, headers=intruder)).status_code == 202
    await auth.execute(ADDED, id=owner["user_id"], at=auth.clock())
    await auth.execute(LINKED, id=owner["user_id"], name="his", at=auth.clock())
    changes = [letter.link for letter in await auth.sent("EMAIL_CHANGE")]
    assert (await auth.http.post(f"{link}/confirmation")).status_code == 204
    assert await auth.rows("SELECT provider_id FROM oauth_providers") == [{"provider_id": "hers"}]
    assert await auth.rows("SELECT id FROM webauthn_credentials") == []
    assert await auth.rows("SELECT id FROM two_factor_backup_codes") == []
    [left] = await auth.rows(
        "SELECT is_enabled, primary_method::text, totp_secret, hardware_key_verified_at, recovery_email, "
        "email_verified_at IS NOT NULL AS has_email FROM two_factor_auth"
    )
    assert left == {
        "is_enabled": True,
        "primary_method": "EMAIL",
        "totp_secret": None,
        "hardware_key_verified_at": None,
        "recovery_email": None,
        "has_email": True,
    }
    [event] = await auth.rows("SELECT details FROM security_events WHERE event_type = 'device.disavowed'")
    assert event["details"]["taken_back"] == 5
    for change in changes:
        assert (await auth.http.post(f"{change}/confirmation")).status_code == 410, "the address stays the owner's"
    query = "SELECT data->>'undone_since' AS since FROM outbox WHERE type = :type"
    [raised] = await auth.rows(query, type=SecurityEpochRaised.type)
    assert raised["since"] is not None, "user ends the API keys that were made since then"
