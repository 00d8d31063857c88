"""Recognising devices, trusting, blocking and forgetting them."""

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from orion_auth.devices.rules import MOST_UNTRUSTED
from orion_contracts.account_messages import SecurityNoticeRaised

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
FIREFOX_LATER = "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0"
PHONE = (
    "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/138.0.0.0 Mobile Safari/537.36"
)


async def come(
    auth: "Auth", device_id: str | None = "laptop", user_agent: str = FIREFOX, **more: Any
) -> httpx.Response:
    body = {"email": "ada@example.com", "password": auth.password} | more
    if device_id is not None:
        body["device_id"] = device_id
    auth.http.cookies.clear()
    auth.clock.advance(seconds=61)  # only so many tries a minute
    return await auth.http.post("/auth/v1/sessions", json=body, headers={"User-Agent": user_agent})


async def signed_in(auth: "Auth", device_id: str = "laptop", **more: Any) -> dict[str, str]:
    answer = await come(auth, device_id, **more)
    assert answer.status_code == 201, answer.text
    return auth.as_bearer(answer.json()["access_token"])


async def devices_of(auth: "Auth", headers: dict[str, str]) -> dict[str, dict[str, Any]]:
    answer = await auth.http.get("/auth/v1/me/devices", headers=headers)
    assert answer.status_code == 200
    return {device["device_id"]: device for device in answer.json()["items"]}


async def kinds(auth: "Auth") -> list[str]:
    return [row["event_type"] for row in await auth.rows("SELECT event_type FROM security_events ORDER BY id")]


async def test_a_user_sees_his_devices_by_what_they_are(auth: "Auth") -> None:
    await auth.verified()
    await signed_in(auth)
    auth.clock.advance(hours=1)
    headers = await signed_in(auth, "phone", user_agent=PHONE)
    listed = (await auth.http.get("/auth/v1/me/devices", headers=headers)).json()["items"]
    assert [(device["device_id"], device["name"], device["type"]) for device in listed] == [
        ("phone", "Chrome Mobile on Pixel 9", "MOBILE"),
        ("laptop", "Firefox on Linux", "DESKTOP"),
    ]
    phone = listed[0]
    assert (phone["os"], phone["os_version"], phone["browser"], phone["browser_version"]) == (
        "Android",
        "16",
        "Chrome Mobile",
        "138.0",
    )
    assert (phone["status"], phone["login_count"], phone["last_ip_address"]) == ("UNTRUSTED", 1, "192.0.2.1")
    [told] = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SecurityNoticeRaised.type)
    notice = SecurityNoticeRaised.read(told["data"])
    assert (notice.notice, notice.device_name) == ("device.new", "Chrome Mobile on Android"), "which one it was"


async def test_a_device_that_comes_again_is_the_same_one_under_the_name_its_owner_gave_it(auth: "Auth") -> None:
    await auth.verified()
    headers = await signed_in(auth)
    laptop = (await devices_of(auth, headers))["laptop"]
    renamed = await auth.http.patch(
        f"/auth/v1/me/devices/{laptop['id']}", headers=headers, json={"name": "  Ada's laptop "}
    )
    assert renamed.json()["name"] == "Ada's laptop"
    assert await auth.changes("device.update") == [({"name": laptop["name"]}, {"name": "Ada's laptop"})]
    auth.clock.advance(days=1)
    headers = await signed_in(auth, user_agent=FIREFOX_LATER)
    again = (await devices_of(auth, headers))["laptop"]
    assert (again["id"], again["name"], again["browser_version"]) == (laptop["id"], "Ada's laptop", "141.0")
    assert (again["login_count"], again["first_seen_at"]) == (2, laptop["first_seen_at"])


async def test_a_client_that_names_no_device_leaves_none_and_is_new_every_time(auth: "Auth") -> None:
    await auth.verified()
    for _ in range(3):
        assert (await come(auth, None)).status_code == 201
    assert await auth.rows("SELECT id FROM devices") == []
    assert await kinds(auth) == ["device.new", "device.new"], "the first sign-in of all is no news"


async def test_the_fingerprint_is_a_hash_that_versions_do_not_change(auth: "Auth") -> None:
    await auth.verified()
    seen: list[str] = []
    for user_agent, traits in ((FIREFOX, "a"), (FIREFOX_LATER, "a"), (FIREFOX, "b"), (PHONE, "a")):
        await signed_in(auth, user_agent=user_agent, fingerprint=traits)
        seen.append((await auth.rows("SELECT fingerprint FROM devices"))[0]["fingerprint"])
    assert seen[0] == seen[1]
    assert len({*seen}) == 3


async def test_trust_is_proved_by_a_secret_that_only_the_device_was_given(auth: "Auth") -> None:
    await auth.verified()
    headers = await signed_in(auth)
    laptop = (await devices_of(auth, headers))["laptop"]
    answer = await auth.http.put(f"/auth/v1/me/devices/{laptop['id']}/trust", headers=headers)
    assert answer.status_code == 200
    secret = answer.json()["device_secret"]
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"orion_device={secret}; ")
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/auth/v1"} <= set(cookie.split("; "))
    assert (await devices_of(auth, headers))["laptop"]["status"] == "TRUSTED"
    await require_totp(auth)
    assert (await come(auth, device_secret=secret)).status_code == 201
    auth.http.cookies.clear()
    by_cookie = await auth.http.post(
        "/auth/v1/sessions",
        json={"email": "ada@example.com", "password": auth.password, "device_id": "laptop"},
        headers={"Cookie": f"orion_device={secret}"},
    )
    assert by_cookie.status_code == 201
    assert (await come(auth)).status_code == 202, "the id alone proves nothing"
    assert (await come(auth, device_secret="x" * 43)).status_code == 202
    assert (await come(auth, "phone", device_secret=secret)).status_code == 202, "it is this device's secret"
    auth.clock.advance(days=31)
    assert (await come(auth, device_secret=secret)).status_code == 202, "trust has run out"


async def test_the_secret_is_stored_as_a_hash_and_a_new_one_takes_its_place(auth: "Auth") -> None:
    await auth.verified()
    headers = await signed_in(auth)
    laptop = (await devices_of(auth, headers))["laptop"]
    secrets = [
        (await auth.http.put(f"/auth/v1/me/devices/{laptop['id']}/trust", headers=headers)).json()["device_secret"]
        for _ in range(2)
    ]
    [row] = await auth.rows("SELECT length(secret_hash), to_jsonb(devices)::text AS text FROM devices")
    assert row["length"] == 32
    assert not any(secret in row["text"] for secret in secrets)
    await require_totp(auth)
    assert [(await come(auth, device_secret=secret)).status_code for secret in secrets] == [202, 201]
    assert await kinds(auth) == ["device.trusted", "device.trusted"]


async def test_trust_and_what_ends_sessions_need_a_recent_proof(auth: "Auth") -> None:
    """Otherwise a token that was stolen would sign the owner out on all his devices, and keep him out."""
    await auth.verified()
    headers = await signed_in(auth)
    laptop = (await devices_of(auth, headers))["laptop"]
    auth.clock.advance(minutes=6)
    for method, path in (("PUT", "/trust"), ("PUT", "/block"), ("DELETE", "/block"), ("DELETE", "")):
        refused = await auth.http.request(method, f"/auth/v1/me/devices/{laptop['id']}{path}", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "reauthentication_required")
    assert (await auth.http.get("/auth/v1/me/devices", headers=headers)).json()["items"] == [laptop]


async def test_trust_can_be_taken_back(auth: "Auth") -> None:
    await auth.verified()
    headers = await signed_in(auth)
    laptop = (await devices_of(auth, headers))["laptop"]
    trust = f"/auth/v1/me/devices/{laptop['id']}/trust"
    secret = (await auth.http.put(trust, headers=headers)).json()["device_secret"]
    assert (await auth.http.delete(trust, headers=headers)).status_code == 204
    assert (await auth.http.delete(trust, headers=headers)).status_code == 204
    await require_totp(auth)
    assert (await come(auth, device_secret=secret)).status_code == 202
    assert await kinds(auth) == ["device.trusted", "device.trust_ended"]


async def test_a_blocked_device_is_let_in_no_more_and_its_sessions_end(auth: "Auth") -> None:
    await auth.verified()
    stolen = (await come(auth, "phone", PHONE)).json()
    headers = await signed_in(auth)
    phone = (await devices_of(auth, headers))["phone"]
    block = f"/auth/v1/me/devices/{phone['id']}/block"
    assert (await auth.http.put(block, headers=headers)).status_code == 204
    assert (await auth.refresh(stolen["refresh_token"])).status_code == 400
    gone = await auth.http.get("/auth/v1/me/devices", headers=auth.as_bearer(stolen["access_token"]))
    assert gone.status_code == 401
    refused = await come(auth, "phone", PHONE)
    assert (refused.status_code, refused.json()["code"]) == (403, "sign_in_blocked")
    trust = await auth.http.put(f"/auth/v1/me/devices/{phone['id']}/trust", headers=headers)
    removed = await auth.http.delete(f"/auth/v1/me/devices/{phone['id']}", headers=headers)
    assert [trust.json()["code"], removed.json()["code"]] == ["device_blocked", "device_blocked"]
    assert (await auth.http.get("/auth/v1/me/devices", headers=headers)).status_code == 200, "the others live on"
    assert (await auth.http.delete(block, headers=headers)).status_code == 204
    assert (await come(auth, "phone", PHONE)).status_code == 201


async def test_a_device_that_is_removed_is_forgotten_and_new_again(auth: "Auth") -> None:
    await auth.verified()
    sold = (await come(auth, "phone", PHONE)).json()
    headers = await signed_in(auth)
    phone = (await devices_of(auth, headers))["phone"]
    assert (await auth.http.delete(f"/auth/v1/me/devices/{phone['id']}", headers=headers)).status_code == 204
    assert set(await devices_of(auth, headers)) == {"laptop"}
    assert (await auth.refresh(sold["refresh_token"])).status_code == 400
    assert (await auth.http.delete(f"/auth/v1/me/devices/{phone['id']}", headers=headers)).status_code == 404
    before = (await kinds(auth)).count("device.new")
    await come(auth, "phone", PHONE)
    assert (await kinds(auth)).count("device.new") == before + 1


@pytest.mark.parametrize(
    ("method", "path"),
    [("PATCH", ""), ("DELETE", ""), ("PUT", "/trust"), ("DELETE", "/trust"), ("PUT", "/block"), ("DELETE", "/block")],
)
async def test_the_devices_of_others_are_none_of_ones_own(auth: "Auth", method: str, path: str) -> None:
    await auth.verified()
    await auth.verified("eve@example.com")
    mine = (await devices_of(auth, await signed_in(auth)))["laptop"]
    eve = auth.as_bearer((await auth.sign_in("eve@example.com")).json()["access_token"])
    before = await auth.rows("SELECT * FROM devices")
    body = {"name": "hers now"} if method == "PATCH" else None
    refused = await auth.http.request(method, f"/auth/v1/me/devices/{mine['id']}{path}", headers=eve, json=body)
    assert (refused.status_code, refused.json()["code"]) == (404, "device_unknown")
    assert await auth.rows("SELECT * FROM devices") == before
    assert await devices_of(auth, eve) == {}


async def test_of_too_many_devices_the_untrusted_one_seen_longest_ago_is_forgotten(auth: "Auth") -> None:
    user_id = await auth.verified()
    headers = await signed_in(auth, "trusted")
    trusted = (await devices_of(auth, headers))["trusted"]
    await auth.http.put(f"/auth/v1/me/devices/{trusted['id']}/trust", headers=headers)
    await auth.execute(
        "INSERT INTO devices (user_id, device_id, first_seen_at, last_seen_at) "
        "SELECT :id, 'old ' || n, seen, seen FROM generate_series(1, :most) AS n, "
        "LATERAL (SELECT CAST(:now AS timestamptz) - n * interval '1 day') AS ago (seen)",
        id=user_id,
        most=MOST_UNTRUSTED,
        now=auth.clock(),
    )
    await signed_in(auth)
    names = {row["device_id"] for row in await auth.rows("SELECT device_id FROM devices")}
    assert len(names) == MOST_UNTRUSTED + 1
    assert {"trusted", "laptop", "old 1"} <= names
    assert f"old {MOST_UNTRUSTED}" not in names


async def require_totp(auth: "Auth") -> None:
    """From now on Ada is asked for a second factor wherever nothing spares her."""
    await auth.execute(
        "INSERT INTO two_factor_auth (user_id, is_enabled, primary_method, totp_secret, totp_verified_at) "
        "SELECT id, true, 'TOTP', '\\x00', now() FROM identities WHERE email = 'ada@example.com'"
    )


async def test_who_names_a_trusted_device_and_has_not_its_secret_comes_from_a_new_one(auth: "Auth") -> None:
    """Its id stands in lists that a stolen token opens; with it the owner was told of nothing."""
    await auth.verified()
    headers = await signed_in(auth)
    laptop = (await devices_of(auth, headers))["laptop"]
    trusted = await auth.http.put(f"/auth/v1/me/devices/{laptop['id']}/trust", headers=headers)
    secret = trusted.json()["device_secret"]
    assert (await come(auth, device_secret=secret)).status_code == 201
    assert "device.new" not in await kinds(auth)
    assert (await come(auth)).status_code == 201
    assert (await kinds(auth)).count("device.new") == 1
    assert (await come(auth, device_secret=secret)).status_code == 201, "it stays the owner's, and trusted"
    auth.clock.advance(days=31)
    assert (await come(auth)).status_code == 201
    assert (await kinds(auth)).count("device.new") == 1, "whose trust has run out has no secret to show any more"
