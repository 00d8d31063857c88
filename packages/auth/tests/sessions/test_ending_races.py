"""Ending a session while it is being carried on: whoever comes second, the session must not live on."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from orion_auth.refresh_tokens import actions as refresh_tokens
from orion_auth.refresh_tokens import store
from orion_auth.refresh_tokens.actions import Refreshed, Replayed
from orion_auth.refresh_tokens.store import Asked
from orion_auth.tokens.actions import Bearer
from orion_core.database import Database, Transaction
from orion_core.gathering import Gathering

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

BEARER = Bearer(ip_address("192.0.2.1"), None)
WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
ACTIVE = "SELECT id FROM auth_tokens WHERE type = 'REFRESH' AND status = 'ACTIVE'"


async def somebody_waits(auth: "Auth") -> None:
    async with asyncio.timeout(5):
        while not await auth.rows(WAITING):  # noqa: ASYNC110 -- another session brings it about
            await asyncio.sleep(0.01)


async def rotating(auth: "Auth", transaction: Transaction, token: str) -> Refreshed | Replayed | None:
    """A refresh that has not come to its end yet."""

    async def rotate(asked: Sequence[Asked]) -> list[Any]:
        return await store.rotate(transaction.connection, asked, auth.clock())

    rotations = replace(auth.application.state.components.rotations, together=Gathering(rotate))
    return await refresh_tokens.rotate(rotations, token, BEARER, auth.clock())


def database_of(auth: "Auth") -> Database:
    return auth.application.state.components.database


async def test_a_thief_who_refreshes_while_the_theft_is_found_out_has_nothing(auth: "Auth") -> None:
    await auth.verified()
    stolen = (await auth.sign_in()).json()["refresh_token"]
    thief = (await auth.refresh(stolen)).json()["refresh_token"]
    auth.clock.advance(seconds=31)
    async with database_of(auth).transaction() as refreshing:
        refreshed = await rotating(auth, refreshing, thief)
        replay = asyncio.create_task(auth.refresh(stolen))
        await somebody_waits(auth)
    assert (await replay).json()["error"] == "invalid_grant"
    assert await auth.rows(ACTIVE) == []
    assert isinstance(refreshed, Refreshed)


async def test_signing_out_refreshing_and_replaying_at_once_end_it_once(auth: "Auth", another_auth: "Auth") -> None:
    await auth.verified()
    for _ in range(5):
        session = (await auth.sign_in()).json()
        headers = auth.as_bearer(session["access_token"])
        successor = (await auth.refresh(session["refresh_token"])).json()["refresh_token"]
        auth.clock.advance(minutes=1)
        answers = await asyncio.gather(
            auth.refresh(successor),
            another_auth.http.delete("/auth/v1/sessions/current", headers=headers),
            another_auth.refresh(session["refresh_token"]),
            auth.http.delete("/auth/v1/sessions/current", headers=headers),
        )
        assert all(answer.status_code < 500 for answer in answers)
        assert await auth.rows(ACTIVE) == []
        auth.clock.advance(minutes=2)
