"""A good first proof after which nobody shows the second: whoever has a stolen password stops there."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pyotp.totp import TOTP

from orion_auth.admission.unfinished import LATE, close_unfinished
from orion_auth.two_factor.rules import CHALLENGE_LIFETIME
from orion_contracts.account_messages import SecurityNoticeRaised

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

FAILED = "SELECT failure_reason, host(ip_address) AS address FROM login_attempts WHERE status = 'FAILED'"


async def with_totp(auth: "Auth", **device: str) -> TOTP:
    """Ada, who has an authenticator app, and is signed in on that device."""
    await auth.verified()
    signed_in = await begin(auth, **device)
    headers = auth.as_bearer(signed_in.json()["access_token"])
    offer = (await auth.http.post("/auth/v1/me/two-factor/totp", headers=headers)).json()
    totp = TOTP(offer["secret"])
    shown = {"method": "TOTP", "code": totp.at(auth.clock())}
    await auth.http.post("/auth/v1/me/two-factor/confirmations", headers=headers, json=shown)
    auth.clock.advance(minutes=1)
    return totp


async def begin(auth: "Auth", **device: str) -> Any:
    body = {"email": "ada@example.com", "password": auth.password} | device
    return await auth.http.post("/auth/v1/sessions", json=body)


async def close(auth: "Auth") -> int:
    return await close_unfinished(auth.application.state.components.gate, auth.clock())


async def told(auth: "Auth") -> list[str]:
    query = "SELECT data->>'notice' AS notice FROM outbox WHERE type = :type AND data->>'notice' LIKE 'sign_in.%'"
    return [row["notice"] for row in await auth.rows(query, type=SecurityNoticeRaised.type)]


async def test_it_is_written_down_and_the_owner_is_told_once_a_day(auth: "Auth", another_auth: "Auth") -> None:
    await with_totp(auth)
    for number in range(3):
        assert (await begin(auth, device_id=f"thiefs-{number}")).status_code == 202
    auth.clock.advance(minutes=10)
    assert await close(auth) == 0, "a clock that is behind may still finish it"
    auth.clock.advance(minutes=1)
    assert sum(await asyncio.gather(close(auth), close(another_auth))) == 3
    assert await auth.rows(FAILED) == [{"failure_reason": "NO_SECOND_FACTOR", "address": "192.0.2.1"}] * 3
    assert await told(auth) == ["sign_in.unfinished"]
    [event] = await auth.rows("SELECT was_notified, was_blocked FROM security_events WHERE event_type LIKE 'sign_in.%'")
    assert event == {"was_notified": True, "was_blocked": True}
    for _ in range(2):
        auth.clock.advance(hours=23)
        await begin(auth, device_id="thiefs")
        auth.clock.advance(minutes=11)
        assert await close(auth) == 1
    assert await told(auth) == ["sign_in.unfinished"] * 2, "the next day again"


async def test_what_was_finished_or_came_from_his_own_device_is_not_told(auth: "Auth") -> None:
    totp = await with_totp(auth, device_id="laptop")
    assert (await begin(auth, device_id="laptop")).status_code == 202
    finished = (await begin(auth, device_id="phone")).json()["challenge"]
    shown = {"challenge": finished, "method": "TOTP", "code": totp.at(auth.clock())}
    assert (await auth.http.post("/auth/v1/challenges/answers", json=shown)).status_code == 201
    auth.clock.advance(seconds=(CHALLENGE_LIFETIME + LATE + timedelta(seconds=1)).total_seconds())
    assert await close(auth) == 1
    assert len(await auth.rows(FAILED)) == 1
    assert await told(auth) == []


async def test_who_names_a_trusted_device_without_its_secret_is_told_of(auth: "Auth") -> None:
    await with_totp(auth, device_id="laptop")
    secret = "s" * 43
    await auth.execute(
        "UPDATE devices SET status = 'TRUSTED', verified_at = now(), secret_hash = sha256(CAST(:secret AS bytea)), "
        "trust_expires_at = :until",
        secret=secret.encode(),
        until=auth.clock() + timedelta(days=30),
    )
    await auth.execute("UPDATE risk_policies SET step_up_at = 20")
    changed = await begin(auth, device_id="laptop", device_secret=secret, fingerprint="another")
    assert changed.status_code == 202, "it looks like another one, and is asked for the second factor"
    auth.clock.advance(minutes=12)
    assert await close(auth) == 1
    assert await told(auth) == [], "but it has proved to be his own"
    assert (await begin(auth, device_id="laptop")).status_code == 202
    auth.clock.advance(minutes=12)
    assert await close(auth) == 1
    assert await told(auth) == ["sign_in.unfinished"]
