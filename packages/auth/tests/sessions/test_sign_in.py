"""Signing in and out."""

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from orion_contracts.events import SessionEnded, SessionStarted
from orion_core.tables import IpAddress

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

ATTEMPTS = "SELECT email, user_id, status::text, failure_reason FROM login_attempts ORDER BY id"


async def test_a_session_comes_with_tokens_that_anybody_can_verify(auth: "Auth") -> None:
    user_id = await auth.verified()
    answer = await auth.sign_in("ADA@example.com")
    assert answer.status_code == 201
    session = answer.json()
    keys = KeySet.import_key_set((await auth.http.get("/auth/.well-known/jwks.json")).json())
    token = jwt.decode(session["access_token"], keys, algorithms=["ES256"])
    assert token.header["typ"] == "at+jwt"
    claims = token.claims
    assert (claims["sub"], claims["sid"], claims["aud"]) == (str(user_id), session["session_id"], "orion")
    assert claims["exp"] - claims["iat"] == session["expires_in"] == 600
    [event] = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SessionStarted.type)
    assert str(SessionStarted.read(event["data"]).session_id) == session["session_id"]


async def test_every_attempt_is_recorded(auth: "Auth") -> None:
    user_id = await auth.verified()
    await auth.sign_in(password="wrong password")
    await auth.sign_in("nobody@example.com")
    await auth.sign_in("no address")
    await auth.sign_in()
    attempts = await auth.rows(ATTEMPTS)
    ada = {"email": "ada@example.com", "user_id": user_id}
    nobody = {"user_id": None, "status": "FAILED", "failure_reason": "UNKNOWN_IDENTITY"}
    assert attempts == [
        ada | {"status": "FAILED", "failure_reason": "WRONG_PASSWORD"},
        nobody | {"email": "nobody@example.com"},
        nobody | {"email": None},
        ada | {"status": "SUCCESS", "failure_reason": None},
    ]
    [row] = await auth.rows("SELECT min(duration_ms), bool_and(ip_address = '192.0.2.1') AS here FROM login_attempts")
    assert row["min"] > 0
    assert row["here"]


async def test_unknown_and_wrong_look_alike(auth: "Auth") -> None:
    await auth.verified()
    wrong = await auth.sign_in(password="wrong password")
    unknown = await auth.sign_in("nobody@example.com", "wrong password")
    strip = {"instance": None}
    assert (wrong.status_code, wrong.json() | strip) == (unknown.status_code, unknown.json() | strip)
    assert set(wrong.headers) == set(unknown.headers)


async def test_signing_in_does_not_tell_whether_a_registered_address_was_free(auth: "Auth") -> None:
    await auth.verified()
    told: list[tuple[int, dict[str, object], set[str]]] = []
    for email in ("ada@example.com", "bob@example.com"):
        await auth.register(email, password="of the curious")
        answer = await auth.sign_in(email, "of the curious")
        told.append((answer.status_code, answer.json() | {"instance": None}, set(answer.headers)))
    assert told[0] == told[1]
    reasons = await auth.rows("SELECT failure_reason FROM login_attempts ORDER BY attempted_at, id")
    assert [row["failure_reason"] for row in reasons] == ["WRONG_PASSWORD", "UNVERIFIED"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("status = 'LOCKED'", "account_locked"),
        ("locked_until = now() + interval '1 hour'", "account_locked"),
        ("status = 'SUSPENDED'", "account_suspended"),
    ],
)
async def test_what_is_the_matter_is_told_to_the_owner_only(auth: "Auth", change: str, code: str) -> None:
    await auth.verified()
    await auth.execute(f"UPDATE identities SET {change}")
    told = await auth.sign_in()
    assert (told.status_code, told.json()["code"]) == (403, code)
    assert (await auth.sign_in(password="wrong password")).json()["code"] == "invalid_credentials"


@pytest.mark.parametrize("change", ["status = 'SUSPENDED'", "security_epoch = security_epoch + 1"])
async def test_an_account_that_changes_while_its_password_is_checked_begins_nothing(
    auth: "Auth", monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    await auth.verified()
    lane = auth.application.state.components.lane
    verify = lane.verify

    async def verify_while_it_changes(
        password_hash: str | None, password: str, *, known_from: IpAddress | None
    ) -> bool:
        is_right = await verify(password_hash, password, known_from=known_from)
        await auth.execute(f"UPDATE identities SET {change}")
        return is_right

    monkeypatch.setattr(lane, "verify", verify_while_it_changes)
    before = await auth.counts()
    answer = await auth.sign_in()
    assert (answer.status_code, answer.json()["code"]) == (409, "account_changed")
    assert await auth.counts() == before
    [attempt] = await auth.rows("SELECT status::text, failure_reason FROM login_attempts")
    assert attempt == {"status": "BLOCKED", "failure_reason": "ACCOUNT_CHANGED"}


async def test_whose_device_is_known_waits_among_those_of_his_network(
    auth: "Auth", monkeypatch: pytest.MonkeyPatch
) -> None:
    await auth.verified()
    lane, asked = auth.application.state.components.lane, list[IpAddress | None]()
    verify = lane.verify

    async def verify_and_note(password_hash: str | None, password: str, *, known_from: IpAddress | None) -> bool:
        asked.append(known_from)
        return await verify(password_hash, password, known_from=known_from)

    monkeypatch.setattr(lane, "verify", verify_and_note)
    for _ in range(2):
        body = {"email": "ada@example.com", "password": auth.password, "device_id": "adas-laptop"}
        assert (await auth.http.post("/auth/v1/sessions", json=body)).status_code == 201
    assert asked == [None, ip_address("192.0.2.1")]


async def test_five_tries_a_minute_from_one_place(auth: "Auth") -> None:
    await auth.verified()
    answers = await asyncio.gather(*(auth.sign_in(password="wrong password") for _ in range(20)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (5, 15)
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["Retry-After"] == "60"
    assert refused.headers["RateLimit"] == '"login";r=0;t=60'
    assert refused.headers["RateLimit-Policy"] == '"login";q=5;w=60'
    [blocked] = await auth.rows("SELECT count(*) FROM login_attempts WHERE status = 'BLOCKED' AND is_blocked")
    assert blocked["count"] == 10, "more of them from one network in a minute tell nothing new"
    auth.clock.advance(seconds=61)
    assert (await auth.sign_in()).status_code == 201


async def test_signing_out_ends_the_session_here_at_once(auth: "Auth", another_auth: "Auth") -> None:
    await auth.verified()
    session = (await auth.sign_in()).json()
    other = (await auth.sign_in()).json()
    headers = auth.as_bearer(session["access_token"])
    assert (await auth.http.delete("/auth/v1/sessions/current", headers=headers)).status_code == 204
    refused = await another_auth.http.delete("/auth/v1/sessions/current", headers=headers)
    assert refused.status_code == 401
    assert "Bearer" in refused.headers["WWW-Authenticate"]
    assert (await auth.refresh(session["refresh_token"])).status_code == 400
    assert (await auth.refresh(other["refresh_token"])).status_code == 200, "the other session lives on"
    [event] = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SessionEnded.type)
    ended = SessionEnded.read(event["data"])
    assert (str(ended.session_id), ended.reason) == (session["session_id"], "SIGNED_OUT")


async def test_signing_out_many_times_at_once_ends_it_once(auth: "Auth") -> None:
    await auth.verified()
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    answers = await asyncio.gather(*(auth.http.delete("/auth/v1/sessions/current", headers=headers) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {204, 401}
    ended = await auth.rows("SELECT count(*) FROM outbox WHERE type = :type", type=SessionEnded.type)
    assert ended == [{"count": 1}]


async def test_an_epoch_that_is_refused_ends_all_sessions(auth: "Auth") -> None:
    user_id = await auth.verified()
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    await auth.execute(
        "INSERT INTO session_blacklist (user_id, user_epoch, reason, expires_at) "
        "VALUES (:id, 0, 'END_ALL', now() + interval '1 hour')",
        id=user_id,
    )
    assert (await auth.http.delete("/auth/v1/sessions/current", headers=headers)).status_code == 401


async def test_the_snapshot_names_what_is_refused(auth: "Auth") -> None:
    await auth.verified()
    session = (await auth.sign_in()).json()
    await auth.http.delete("/auth/v1/sessions/current", headers=auth.as_bearer(session["access_token"]))
    headers = auth.as_bearer(await auth.service_token())
    snapshot = (await auth.http.get("/auth/v1/revocations", headers=headers)).json()
    assert [ended["session_id"] for ended in snapshot["sessions"]] == [session["session_id"]]
    assert snapshot["position"] > 0
    auth.clock.advance(minutes=11)
    headers = auth.as_bearer(await auth.service_token())
    assert (await auth.http.get("/auth/v1/revocations", headers=headers)).json()["sessions"] == []


async def test_users_may_not_read_what_is_for_services(auth: "Auth") -> None:
    await auth.verified()
    headers = auth.as_bearer((await auth.sign_in()).json()["access_token"])
    for path in ("/auth/v1/revocations", "/auth/v1/events"):
        assert (await auth.http.get(path, headers=headers)).status_code == 403
        assert (await auth.http.get(path)).status_code == 401
    assert (
        await auth.http.delete("/auth/v1/sessions/current", headers=auth.as_bearer(await auth.service_token()))
    ).status_code == 403


BAD: list[dict[str, Any]] = [
    {},
    {"email": "ada@example.com"},
    {"email": "ada@example.com", "password": "x" * 1025},
    {"email": "ada@example.com", "password": "nul\0"},
    {"email": ["ada@example.com"], "password": "correct horse"},
    {"email": "ada@example.com", "password": "correct horse", "remember": "perhaps"},
    {"email": "ada@example.com", "password": "correct horse", "device_id": "é"},
]


async def test_bad_input_is_refused_and_no_attempt(auth: "Auth") -> None:
    for body in BAD:
        assert (await auth.http.post("/auth/v1/sessions", json=body)).status_code == 422, body
    assert await auth.rows(ATTEMPTS) == []


async def test_foreign_tokens(auth: "Auth") -> None:
    for token in ("", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "é", "x" * 9000):
        headers = {b"Authorization": f"Bearer {token}".encode()}
        assert (await auth.http.delete("/auth/v1/sessions/current", headers=headers)).status_code == 401, token
