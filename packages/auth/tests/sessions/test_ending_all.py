"""Ending all sessions of a user: none lives on, whatever was under way, and each end is told once."""

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from uuid import UUID

from packages.auth.tests.sessions.test_ending_races import ACTIVE, database_of, rotating, somebody_waits

from orion_auth.identities import actions as identities
from orion_auth.refresh_tokens.actions import Refreshed
from orion_auth.session_policy import SessionPolicy
from orion_auth.sessions import actions as sessions
from orion_auth.tokens.actions import Bearer
from orion_contracts.events import SessionEnded

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

BEARER = Bearer(ip_address("192.0.2.1"), None)


async def end_all(auth: "Auth", user_id: UUID, keep: UUID | None = None) -> int:
    parts = auth.application.state.components
    async with parts.database.transaction() as transaction:
        return await sessions.end_all(
            transaction, parts.outbox, user_id, reason="REVOKED", revoked_by="test", now=auth.clock(), keep=keep
        )


async def told(auth: "Auth") -> list[str]:
    rows = await auth.rows("SELECT data FROM outbox WHERE type = :type", type=SessionEnded.type)
    return [str(SessionEnded.read(row["data"]).session_id) for row in rows]


async def is_refused(auth: "Auth", session: dict[str, Any]) -> bool:
    """Signing out needs a good access token of a session, and spends it."""
    headers = auth.as_bearer(session["access_token"])
    return (await auth.http.delete("/auth/v1/sessions/current", headers=headers)).status_code == 401


async def test_all_sessions_end_and_a_new_one_is_good(auth: "Auth", another_auth: "Auth") -> None:
    ada, bob = await auth.verified(), await auth.verified("bob@example.com")
    of_ada = [(await auth.sign_in()).json() for _ in range(3)]
    of_bob = (await auth.sign_in("bob@example.com")).json()
    assert await end_all(auth, ada) == 3
    for session in of_ada:
        assert await is_refused(another_auth, session)
        assert (await auth.refresh(session["refresh_token"])).status_code == 400
    assert sorted(await told(auth)) == sorted(session["session_id"] for session in of_ada)
    assert (await auth.refresh(of_bob["refresh_token"])).status_code == 200
    assert not await is_refused(auth, of_bob)
    assert not await is_refused(auth, (await auth.sign_in()).json())
    assert await end_all(auth, ada) == 0
    assert bob != ada


async def test_the_one_that_is_kept_lives_on(auth: "Auth") -> None:
    ada = await auth.verified()
    kept, *others = [(await auth.sign_in()).json() for _ in range(3)]
    assert await end_all(auth, ada, keep=UUID(kept["session_id"])) == 2
    assert [await is_refused(auth, session) for session in others] == [True, True]
    renewed = (await auth.refresh(kept["refresh_token"])).json()
    assert not await is_refused(auth, renewed)


async def test_nobody_has_no_sessions(auth: "Auth") -> None:
    assert await end_all(auth, UUID(int=7)) == 0
    assert await auth.rows("SELECT id FROM session_blacklist") == []


async def test_a_refresh_under_way_carries_nothing_on(auth: "Auth") -> None:
    ada = await auth.verified()
    session = (await auth.sign_in()).json()
    async with database_of(auth).transaction() as refreshing:
        refreshed = await rotating(auth, refreshing, session["refresh_token"])
        ending = asyncio.create_task(end_all(auth, ada))
        await somebody_waits(auth)
    assert isinstance(refreshed, Refreshed)
    assert await ending == 1
    assert await auth.rows(ACTIVE) == []
    assert (await auth.refresh(refreshed.token)).status_code == 400


async def test_a_sign_in_under_way_begins_nothing_that_lives_on(auth: "Auth") -> None:
    ada = await auth.verified()
    parts = auth.application.state.components
    async with database_of(auth).transaction() as entering:
        identity = await identities.hold(entering, ada, auth.clock())
        assert identity is not None
        ending = asyncio.create_task(end_all(auth, ada))
        await somebody_waits(auth)
        started = await sessions.begin(
            entering, parts.outbox, identity, BEARER, ("pwd",), auth.clock(), SessionPolicy(), live=[]
        )
    assert await ending == 1
    granted = await sessions.grant(parts.signer, started, None, auth.clock())
    assert await is_refused(auth, {"access_token": granted.access_token.text})
    assert (await auth.refresh(granted.refresh_token)).status_code == 400


async def test_ending_all_and_ending_one_refreshing_and_signing_in_at_once(auth: "Auth", another_auth: "Auth") -> None:
    """Whatever comes first: who is in afterwards came in after the end, and each end is told once."""
    ada = await auth.verified()
    for _ in range(5):
        before = [(await auth.sign_in()).json() for _ in range(3)]
        first = auth.as_bearer(before[0]["access_token"])
        await asyncio.gather(
            end_all(auth, ada),
            another_auth.refresh(before[1]["refresh_token"]),
            another_auth.http.delete("/auth/v1/sessions/current", headers=first),
            another_auth.refresh(before[2]["refresh_token"]),
            end_all(another_auth, ada),
        )
        assert await auth.rows(ACTIVE) == []
        assert [await is_refused(another_auth, session) for session in before] == [True] * 3
        auth.clock.advance(minutes=2)
    assert len(await told(auth)) == len(set(await told(auth))) == 15
