"""Proving again who one is: the session's `auth_time` moves, and nothing else is gained by it."""

import asyncio
from typing import TYPE_CHECKING, Any

from joserfc import jws

from orion_contracts.claims import AccessClaims
from orion_contracts.events import SessionProved

if TYPE_CHECKING:
    import httpx
    from packages.auth.tests.conftest import Auth

SESSIONS = "/auth/v1/sessions"


async def prove(auth: "Auth", session: dict[str, Any], password: str | None = None) -> "httpx.Response":
    headers = auth.as_bearer(session["access_token"])
    body = {"password": password or auth.password}
    return await auth.http.post(f"{SESSIONS}/current/proofs", json=body, headers=headers)


def claims(session: dict[str, Any]) -> AccessClaims:
    return AccessClaims.model_validate_json(jws.extract_compact(session["access_token"].encode()).payload)


async def test_a_proof_moves_the_time_of_authentication_and_opens_what_asked_for_it(auth: "Auth") -> None:
    await auth.verified()
    other, session = (await auth.sign_in()).json(), (await auth.sign_in()).json()
    auth.clock.advance(minutes=6)
    path = f"{SESSIONS}/{other['session_id']}"
    refused = await auth.http.delete(path, headers=auth.as_bearer(session["access_token"]))
    assert refused.json()["code"] == "reauthentication_required"
    answer = await prove(auth, session)
    assert answer.status_code == 201
    proved = answer.json()
    assert claims(proved).auth_time == int(auth.clock().timestamp()) > (claims(session).auth_time or 0)
    assert (claims(proved).sid, claims(proved).amr) == (session["session_id"], ["pwd"])
    auth.clock.advance(minutes=2)
    renewed = (await auth.refresh(session["refresh_token"])).json()
    assert claims(renewed).auth_time == claims(proved).auth_time, "a refresh does not move it"
    assert (await auth.http.delete(path, headers=auth.as_bearer(renewed["access_token"]))).status_code == 204


async def test_a_password_that_is_long_as_it_is_typed_proves_as_it_lets_in(auth: "Auth") -> None:
    password = auth.password + "e\u0301" * 120  # 148 characters in normal form
    await auth.verified(password=password)
    answer = await prove(auth, (await auth.sign_in(password=password)).json(), password)
    assert answer.status_code == 201


async def test_a_proof_ends_the_access_tokens_of_before_in_its_session_and_in_no_other(auth: "Auth") -> None:
    """OWASP ASVS 5.0, 7.2.4: whoever has a copy of an old one is out, and the session goes on."""
    await auth.verified()
    other, session = (await auth.sign_in()).json(), (await auth.sign_in()).json()
    auth.clock.advance(minutes=1)
    copy = (await auth.refresh(session["refresh_token"])).json()

    async def status(of: dict[str, Any]) -> int:
        return (await auth.http.get(f"{SESSIONS}/current", headers=auth.as_bearer(of["access_token"]))).status_code

    assert [await status(each) for each in (other, session, copy)] == [200] * 3
    refused = await prove(auth, session, "wrong password")
    assert refused.status_code == 401
    assert await status(session) == 200
    proved = (await prove(auth, session)).json()
    assert [await status(each) for each in (other, session, copy, proved)] == [200, 401, 401, 200]
    told_why = (await auth.http.get(f"{SESSIONS}/current", headers=auth.as_bearer(session["access_token"]))).json()
    assert "use the new one, or refresh" in told_why["detail"], "nobody has to sign in again"
    renewed = (await auth.refresh(copy["refresh_token"])).json()
    assert await status(renewed) == 200
    auth.clock.advance(minutes=1)
    again = (await prove(auth, proved)).json()
    assert [await status(each) for each in (proved, renewed, again)] == [401, 401, 200]
    service = auth.as_bearer(await auth.service_token())
    snapshot = (await auth.http.get("/auth/v1/revocations", headers=service)).json()
    assert [proof["session_id"] for proof in snapshot["proofs"]] == [session["session_id"]]
    told = await auth.rows("SELECT subject FROM outbox WHERE type = :type", type=SessionProved.type)
    assert [event["subject"] for event in told] == [session["session_id"]] * 2


async def test_a_wrong_password_proves_nothing_and_is_recorded(auth: "Auth") -> None:
    await auth.verified()
    session = (await auth.sign_in()).json()
    refused = await prove(auth, session, "wrong password")
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")
    assert refused.headers["RateLimit"].startswith('"login_known_device";r=9;')
    assert claims((await auth.refresh(session["refresh_token"])).json()).auth_time == claims(session).auth_time
    [attempt] = await auth.rows("SELECT failure_reason FROM login_attempts WHERE status = 'FAILED'")
    assert attempt == {"failure_reason": "WRONG_PASSWORD"}
    [event] = await auth.rows("SELECT session_id FROM security_events WHERE event_type = 'session.proof_failed'")
    assert str(event["session_id"]) == session["session_id"]


async def test_guesses_are_limited_by_session_and_what_strangers_try_keeps_nobody_from_a_proof(auth: "Auth") -> None:
    await auth.verified()
    session, stolen = (await auth.sign_in()).json(), (await auth.sign_in()).json()
    for _ in range(8):
        await auth.sign_in(password="wrong password")
    assert (await auth.sign_in()).status_code == 429
    answers = await asyncio.gather(*(prove(auth, stolen, "x") for _ in range(12)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (10, 2)
    assert (await prove(auth, session)).status_code == 201


async def test_good_proofs_of_one_account_are_so_many_in_a_minute_in_whichever_session(auth: "Auth") -> None:
    """They go before all strangers' sign-ins."""
    await auth.verified()
    sessions = [(await auth.sign_in()).json() for _ in range(2)]
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 3 WHERE endpoint = 'login' AND key_type = 'USER'")
    answers = [await prove(auth, sessions[n % 2]) for n in range(4)]
    assert [answer.status_code for answer in answers] == [201] * 3 + [429]


async def test_a_session_that_has_ended_and_a_service_can_prove_nothing(auth: "Auth") -> None:
    await auth.verified()
    session = (await auth.sign_in()).json()
    await auth.execute("UPDATE auth_tokens SET status = 'USED' WHERE type = 'REFRESH'")
    assert (await prove(auth, session)).status_code == 401
    assert (await prove(auth, {"access_token": await auth.service_token()})).status_code == 403
