"""Proving again who one is with a passkey: the session's `auth_time` moves, and nothing else is gained by it."""

import json
from base64 import urlsafe_b64decode
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth
    from packages.auth.tests.passkeys.conftest import User

PROOFS = "/auth/v1/sessions/current/passkey-proofs"
SESSIONS = "/auth/v1/passkey-sessions"
MINE = "/auth/v1/me/passkeys"
UP = 0x01


async def options(user: "User") -> dict[str, Any]:
    asked = await user.auth.http.post(f"{PROOFS}/options", headers=user.headers)
    assert asked.status_code == 201, asked.text
    return asked.json()


async def prove(user: "User", credential: dict[str, Any]) -> httpx.Response:
    return await user.auth.http.post(PROOFS, json={"credential": credential}, headers=user.headers)


def claims_of(token: str) -> dict[str, Any]:
    return json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))


async def test_a_key_opens_what_asked_for_a_recent_proof(auth: "Auth", ada: "User") -> None:
    added = await ada.add()
    session = (await auth.http.post(f"{SESSIONS}/options")).json()
    signed_in = (
        await auth.http.post("/auth/v1/passkey-sessions", json={"credential": ada.authenticator.use(session)})
    ).json()
    auth.clock.advance(minutes=6)
    renewed = (await auth.refresh(signed_in["refresh_token"])).json()
    ada.headers = auth.as_bearer(renewed["access_token"])
    path = f"{MINE}/{added['id']}"
    assert (await auth.http.delete(path, headers=ada.headers)).json()["code"] == "reauthentication_required"
    asked = await options(ada)
    assert [each["id"] for each in asked["allowCredentials"]] == [added["credential_id"]]
    proved = await prove(ada, ada.authenticator.use(asked, flags=UP))
    assert proved.status_code == 201, proved.text
    claims = claims_of(proved.json()["access_token"])
    assert claims["auth_time"] == int(auth.clock().timestamp())
    assert claims["amr"] == ["hwk", "user", "mfa"]
    assert claims["sid"] == signed_in["session_id"]
    again = (await auth.refresh(renewed["refresh_token"])).json()
    assert claims_of(again["access_token"])["auth_time"] == claims["auth_time"]
    proved_headers = auth.as_bearer(proved.json()["access_token"])
    assert (await auth.http.delete(path, headers=proved_headers)).status_code == 204


async def test_a_session_that_began_with_a_password_has_shown_several_factors_then(auth: "Auth", ada: "User") -> None:
    await ada.add()
    proved = await prove(ada, ada.authenticator.use(await options(ada)))
    assert claims_of(proved.json()["access_token"])["amr"] == ["pwd", "hwk", "mfa", "user"]
    [event] = await auth.rows("SELECT event_type FROM security_events WHERE event_type LIKE 'session.proof%'")
    assert event["event_type"] == "session.proof_given"


async def test_a_session_that_has_not_shown_the_second_factor_shows_it_first(auth: "Auth", ada: "User") -> None:
    added = await ada.add()
    await auth.execute("UPDATE two_factor_auth SET is_enabled = false")
    other = (await auth.sign_in()).json()
    await auth.execute("UPDATE two_factor_auth SET is_enabled = true")
    session = replace(ada, headers=auth.as_bearer(other["access_token"]))
    begun = await auth.http.post(f"{MINE}/options", json={}, headers=session.headers)
    assert (begun.status_code, begun.json()["code"]) == (401, "second_factor_needed")
    removed = await auth.http.delete(f"{MINE}/{added['id']}", headers=session.headers)
    assert (removed.status_code, removed.json()["code"]) == (401, "second_factor_needed")
    assert (await prove(session, ada.authenticator.use(await options(session)))).status_code == 201
    await session.add()


async def test_what_proves_nothing(auth: "Auth", ada: "User", bob: "User") -> None:
    await ada.add()
    await bob.add()
    await auth.execute('UPDATE rate_limit_policies SET "limit" = 1000')
    alone = (await auth.http.post(f"{SESSIONS}/options")).json()
    used = ada.authenticator.use(await options(ada))
    assert (await prove(ada, used)).status_code == 201
    for what, credential in {
        "used before": used,
        "another page": ada.authenticator.use(await options(ada), origin="https://evil.example"),
        "somebody else's key": bob.authenticator.use(await options(ada)),
        "for somebody else": ada.authenticator.use(await options(bob)),
        "for signing in": ada.authenticator.use(alone),
        "for adding one": ada.authenticator.use(await ada.options()),
        "a copy": ada.authenticator.use(await options(ada), count=1),
    }.items():
        refused = await prove(ada, credential)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_passkey"), what
    failed = await auth.rows("SELECT failure_reason, user_id FROM login_attempts WHERE status = 'FAILED'")
    assert {row["failure_reason"] for row in failed} == {"WRONG_PASSKEY"}
    assert len(failed) == 7
    events = await auth.rows(
        "SELECT event_type FROM security_events WHERE event_type IN ('passkey.cloned', 'session.proof_failed')"
    )
    assert sorted(row["event_type"] for row in events) == ["passkey.cloned"] + ["session.proof_failed"] * 7


async def test_a_session_that_has_ended_and_a_service_prove_nothing(auth: "Auth", ada: "User") -> None:
    await ada.add()
    asked = await options(ada)
    await auth.execute("UPDATE auth_tokens SET status = 'USED' WHERE type = 'REFRESH'")
    assert (await prove(ada, ada.authenticator.use(asked))).status_code == 401
    service = auth.as_bearer(await auth.service_token())
    assert (await auth.http.post(f"{PROOFS}/options", headers=service)).status_code == 403
