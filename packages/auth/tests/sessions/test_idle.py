"""Sessions that nobody carries on end by themselves, each once, and all who show them are told."""

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

from packages.auth.tests.sessions.test_ending_races import ACTIVE, database_of

from orion_auth.sessions import actions, idle
from orion_auth.tokens import actions as tokens
from orion_contracts.events import SessionEnded

if TYPE_CHECKING:
    import pytest
    from packages.auth.tests.conftest import Auth


async def end_idle(auth: "Auth") -> int:
    parts = auth.application.state.components
    return await idle.end_idle(parts.database, parts.outbox, auth.clock(), asyncio.Event())


async def told(auth: "Auth") -> list[tuple[str, str]]:
    rows = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SessionEnded.type)
    events = [SessionEnded.read(row["data"]) for row in rows]
    return [(str(event.session_id), event.reason) for event in events]


async def test_a_session_ends_when_nobody_has_carried_it_on(auth: "Auth") -> None:
    await auth.verified()
    unused, used = [(await auth.sign_in()).json() for _ in range(2)]
    auth.clock.advance(days=13)
    used = (await auth.refresh(used["refresh_token"])).json()
    auth.clock.advance(days=1)
    assert await end_idle(auth) == 0, "a minute is left to clocks that are behind"
    auth.clock.advance(minutes=1)
    assert await end_idle(auth) == 1
    assert await told(auth) == [(unused["session_id"], "IDLE")]
    assert (await auth.refresh(unused["refresh_token"])).status_code == 400
    assert (await auth.refresh(used["refresh_token"])).status_code == 200
    assert await end_idle(auth) == 0


async def test_of_several_processes_each_ends_others(
    auth: "Auth", another_auth: "Auth", monkeypatch: "pytest.MonkeyPatch"
) -> None:
    user_id = await auth.verified()
    sessions = [(await auth.sign_in()).json()["session_id"] for _ in range(3)]
    await auth.execute(
        "INSERT INTO auth_tokens SELECT (jsonb_populate_record(kept, jsonb_build_object("
        "'id', made.id, 'family_id', made.id, 'session_id', made.id, 'token', made.id, "
        "'token_hash', sha256(made.id::text::bytea)))).* "
        "FROM auth_tokens AS kept, "
        "LATERAL (SELECT gen_random_uuid() AS id FROM generate_series(1, 40) WHERE kept.id IS NOT NULL) AS made "
        "WHERE kept.session_id = :session_id",
        session_id=UUID(sessions[0]),
    )
    monkeypatch.setattr(idle, "AT_ONCE", 7)
    auth.clock.advance(days=14, minutes=1)
    ended = await asyncio.gather(*(end_idle((auth, another_auth)[n % 2]) for n in range(6)))
    ended.append(await end_idle(auth))
    assert sum(ended) == 43
    assert len(await told(auth)) == len({*await told(auth)}) == 43
    assert {*sessions} < {session_id for session_id, _ in await told(auth)}
    assert await auth.rows(ACTIVE) == []
    assert len(await auth.rows("SELECT id FROM session_blacklist WHERE user_id = :id", id=user_id)) == 43


async def test_a_session_that_somebody_is_ending_is_left_to_him(auth: "Auth") -> None:
    user_id = await auth.verified()
    session_id = UUID((await auth.sign_in()).json()["session_id"])
    auth.clock.advance(days=14, minutes=1)
    async with database_of(auth).transaction() as ending:
        await tokens.hold_session(ending, user_id, session_id)
        assert await end_idle(auth) == 0, "without waiting"
    await actions.sign_out(
        database_of(auth), auth.application.state.components.outbox, user_id, session_id, auth.clock()
    )
    assert await end_idle(auth) == 0
    assert await told(auth) == [(str(session_id), "SIGNED_OUT")]
