"""Changing a password: by whoever knows the present one and has just proved it, and every other session ends."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from orion_auth.hashing import HashingLane
from orion_contracts.account_messages import SecurityNoticeRaised

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

NEW = "wheel granite lantern oboe"


async def change(auth: "Auth", access_token: str, current: str | None = None, new: str = NEW) -> Any:
    body = {"current_password": current or auth.password, "new_password": new}
    return await auth.http.put("/auth/v1/me/password", json=body, headers=auth.as_bearer(access_token))


async def test_the_new_one_is_good_the_old_one_is_not_and_other_sessions_end(auth: "Auth") -> None:
    await auth.verified()
    other, mine = (await auth.sign_in()).json(), (await auth.sign_in()).json()
    answer = await change(auth, mine["access_token"])
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await auth.refresh(mine["refresh_token"])).status_code == 200, "this session goes on"
    assert (await auth.refresh(other["refresh_token"])).status_code == 400
    headers = auth.as_bearer(other["access_token"])
    assert (await auth.http.delete("/auth/v1/sessions/current", headers=headers)).status_code == 401
    assert (await auth.sign_in()).status_code == 401
    assert (await auth.sign_in(password=NEW)).status_code == 201
    [event] = await auth.rows(
        "SELECT was_notified, session_id FROM security_events WHERE event_type = 'password.changed'"
    )
    assert (event["was_notified"], str(event["session_id"])) == (True, mine["session_id"])
    notices = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SecurityNoticeRaised.type)
    assert "password.changed" in [notice["data"]["notice"] for notice in notices]


async def test_the_current_password_is_asked_for_and_guesses_are_limited(auth: "Auth") -> None:
    await auth.verified()
    token = (await auth.sign_in()).json()["access_token"]
    without = await auth.http.put("/auth/v1/me/password", json={"new_password": NEW}, headers=auth.as_bearer(token))
    answers = [without, *[await change(auth, token, "wrong wrong wrong") for _ in range(9)]]
    for answer in answers:
        [error] = answer.json()["errors"]
        assert (answer.status_code, error["field"], error["code"]) == (422, "/current_password", "wrong_password")
    assert [answer.headers["RateLimit"].partition(";t=")[0] for answer in answers[:2]] == [
        '"login_known_device";r=9',
        '"login_known_device";r=8',
    ]
    [failed] = await auth.rows("SELECT count(*) FROM security_events WHERE event_type = 'session.proof_failed'")
    assert failed == {"count": 10}, "the owner sees that somebody tried"
    assert (await change(auth, token)).status_code == 429
    auth.clock.advance(seconds=61)
    assert (await auth.sign_in()).status_code == 201


async def test_what_strangers_try_keeps_nobody_from_changing_his_password(auth: "Auth") -> None:
    await auth.verified()
    token = (await auth.sign_in()).json()["access_token"]
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 6 WHERE endpoint = 'login_unknown_networks'")
    for _ in range(8):
        await auth.sign_in(password="wrong password")
    assert (await auth.sign_in()).status_code == 429
    assert (await change(auth, token)).status_code == 204


async def test_an_old_proof_is_not_enough(auth: "Auth") -> None:
    await auth.verified()
    token = (await auth.sign_in()).json()["access_token"]
    auth.clock.advance(minutes=6)
    answer = await change(auth, token)
    assert (answer.status_code, answer.json()["code"]) == (401, "reauthentication_required")


async def test_a_weak_one_and_the_same_one_are_refused(auth: "Auth") -> None:
    await auth.verified(username="lovelace")
    token = (await auth.sign_in()).json()["access_token"]
    for new, code in (
        ("lovelace1", "password_weak"),
        (auth.password, "password_unchanged"),
        ("x" * 257, "password_too_long"),
    ):
        answer = await change(auth, token, new=new)
        error = answer.json()["errors"][0]
        assert (answer.status_code, error["field"], error["code"]) == (422, "/new_password", code)
    assert (await auth.sign_in()).status_code == 201


async def test_links_that_were_asked_for_before_die(auth: "Auth") -> None:
    await auth.verified()
    await auth.http.post("/auth/v1/password-resets", json={"email": "ada@example.com"})
    [secrets] = await auth.sent("PASSWORD_RESET")
    token = (await auth.sign_in()).json()["access_token"]
    assert (await change(auth, token)).status_code == 204
    reset = await auth.http.put(f"{secrets.link}/password", json={"password": "another one entirely"})
    assert reset.status_code == 410


async def test_of_changes_at_the_same_moment_one_is_made(auth: "Auth", another_auth: "Auth") -> None:
    await auth.verified()
    token = (await auth.sign_in()).json()["access_token"]
    auth.clock.advance(seconds=1)
    passwords = [f"{NEW} {number}" for number in range(4)]
    answers = await asyncio.gather(
        *(change((auth, another_auth)[n % 2], token, new=password) for n, password in enumerate(passwords))
    )
    good = [password for answer, password in zip(answers, passwords, strict=True) if answer.status_code == 204]
    assert len(good) == 1
    assert {answer.status_code for answer in answers} <= {204, 409, 422}
    auth.clock.advance(seconds=61)
    assert (await auth.sign_in(password=good[0])).status_code == 201


async def test_without_a_token_and_with_that_of_a_service(auth: "Auth") -> None:
    body = {"current_password": "x", "new_password": NEW}
    assert (await auth.http.put("/auth/v1/me/password", json=body)).status_code == 401
    headers = auth.as_bearer(await auth.service_token())
    assert (await auth.http.put("/auth/v1/me/password", json=body, headers=headers)).status_code in (401, 403)


async def test_a_session_that_its_owner_ends_meanwhile_changes_nothing(
    auth: "Auth", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thief who knows the password is in one; the owner signs all others out while the new one is hashed."""
    await auth.verified()
    thief, owner = (await auth.sign_in()).json(), (await auth.sign_in()).json()
    make = HashingLane.hash

    async def meanwhile(self: HashingLane, password: str) -> str:
        ended = await auth.http.delete("/auth/v1/sessions", headers=auth.as_bearer(owner["access_token"]))
        assert ended.is_success
        return await make(self, password)

    monkeypatch.setattr(HashingLane, "hash", meanwhile)
    answer = await change(auth, thief["access_token"])
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert (await auth.refresh(owner["refresh_token"])).status_code == 200
    assert (await auth.sign_in()).status_code == 201, "the password is as it was"
