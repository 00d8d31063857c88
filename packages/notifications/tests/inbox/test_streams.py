"""An inbox that is watched: what comes is told at once, again after a reconnection, and to nobody else."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import pytest
from packages.notifications.tests.inbox.test_routes import ADA, BOB, add

from orion_contracts.claims import AccessClaims
from orion_core.database import Database
from orion_core.errors import unauthenticated
from orion_core.testing import MovableClock, TestDatabase
from orion_core.wakeup import Wakeup
from orion_notifications.inbox.streams import INBOX_CHANNEL, Streams, read_position

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Callers, Query

CLAIMS = AccessClaims(iss="i", aud="orion", sub=str(ADA), client_id="c", sid="s", exp=2, iat=1, jti="j")


class Refusals:
    """Refuses when it is told to."""

    is_over = False

    async def check(self, claims: AccessClaims) -> None:
        assert claims == CLAIMS
        if self.is_over:
            raise unauthenticated("the session was ended")


class Watching:
    """A stream as its client reads it."""

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        self.events = events
        self.last_id: str | None = None

    async def next(self) -> tuple[str, dict[str, Any]]:
        """The next event that says something."""
        async with asyncio.timeout(10):
            async for raw in self.events:
                fields = dict(line.split(": ", 1) for line in raw.decode().strip().splitlines() if ": " in line)
                self.last_id = fields.get("id", self.last_id)
                if "data" in fields:
                    return fields["event"], orjson.loads(fields["data"])
        raise StopAsyncIteration

    async def message(self) -> dict[str, Any]:
        """The next message, past counters."""
        while True:
            name, data = await self.next()
            if name == "notification":
                return data


@pytest.fixture
async def refusals() -> Refusals:
    return Refusals()


@asynccontextmanager
async def serving(
    test_database: TestDatabase, database: Database, refusals: Refusals, clock: MovableClock
) -> AsyncGenerator[Streams]:
    bell, stop = Wakeup(test_database.url, INBOX_CHANNEL), asyncio.Event()
    streams = Streams(database, bell, refusals, clock)
    tasks = [asyncio.create_task(part.run(stop)) for part in (bell, streams)]
    try:
        yield streams
    finally:
        stop.set()
        await asyncio.gather(*tasks)


def watch(streams: Streams, clock: MovableClock, user: UUID = ADA, last_id: str | None = None) -> Watching:
    return Watching(streams.watch(user, last_id, CLAIMS, clock() + timedelta(hours=1)))


async def test_what_comes_is_told_to_its_user_alone_and_counted(
    test_database: TestDatabase, database: Database, refusals: Refusals, clock: MovableClock, query: "Query"
) -> None:
    await query("SELECT 1")
    async with serving(test_database, database, refusals, clock) as streams:
        ada, bob = watch(streams, clock), watch(streams, clock, BOB)
        assert await ada.next() == ("counters", {"unread": 0, "unseen": 0, "snoozed": 0})
        assert (await bob.next())[0] == "counters"
        notification_id = await add(query, ADA)
        other = Wakeup(test_database.url, INBOX_CHANNEL)  # of a worker, another process
        stop = asyncio.Event()
        ringing = asyncio.create_task(other.run(stop))
        other.ring()
        assert (await ada.message())["id"] == notification_id
        assert await ada.next() == ("counters", {"unread": 1, "unseen": 1, "snoozed": 0})
        hers = await add(query, BOB)
        assert (await bob.message())["id"] == hers, "also when nobody rings"
        stop.set()
        await ringing


async def test_who_comes_back_misses_nothing(
    test_database: TestDatabase, database: Database, refusals: Refusals, clock: MovableClock, query: "Query"
) -> None:
    async with serving(test_database, database, refusals, clock) as streams:
        ada = watch(streams, clock)
        first = await add(query, ADA)
        assert (await ada.message())["id"] == first
        await ada.events.aclose()
        missed = [await add(query, ADA) for _ in range(3)]
        again = watch(streams, clock, last_id=ada.last_id)
        told: list[str] = []
        while not set(missed) <= set(told):
            told.append((await again.message())["id"])
        assert len(told) == len(set(told)), "once in one connection"


async def test_more_than_one_look_takes_comes_all_the_same(
    test_database: TestDatabase, database: Database, refusals: Refusals, clock: MovableClock, query: "Query"
) -> None:
    await query(
        "INSERT INTO notifications (user_id, type, category, channel, status, content, delivered_at, sent_at) "
        "SELECT :user, 't', 'SYSTEM', 'IN_APP', 'DELIVERED', 'c', now(), now() FROM generate_series(1, 250)",
        user=ADA,
    )
    async with serving(test_database, database, refusals, clock) as streams:
        ada = watch(streams, clock, last_id="1")
        told = {(await ada.message())["id"] for _ in range(250)}
    assert len(told) == 250, "though all came at one moment"


async def test_a_stream_ends_with_its_session_and_with_the_service(
    test_database: TestDatabase, database: Database, refusals: Refusals, clock: MovableClock
) -> None:
    async with serving(test_database, database, refusals, clock) as streams:
        ada, bob = watch(streams, clock), watch(streams, clock)
        await ada.next()
        await bob.next()
        refusals.is_over = True
        with pytest.raises(StopAsyncIteration):
            await ada.next()
        refusals.is_over = False
    with pytest.raises(StopAsyncIteration):
        await bob.next()


@pytest.mark.parametrize("text", ["", "x", "-1", "9" * 18, "１２", None])
def test_what_is_no_position_is_none(text: str | None) -> None:
    assert read_position(text) is None


async def test_an_inbox_is_put_off_archived_and_read_at_once(
    caller: "Callers", query: "Query", clock: MovableClock
) -> None:
    ids = [await add(query, ADA) for _ in range(4)]
    async with caller(ADA) as http:

        async def counted() -> tuple[int, int, int]:
            told = (await http.get("/me/inbox")).json()
            return told["unread"], told["unseen"], told["snoozed"]

        assert await counted() == (4, 4, 0)
        later = (clock() + timedelta(hours=1)).isoformat()
        await http.patch(f"/me/notifications/{ids[0]}", json={"snoozed_until": later})
        await http.patch(f"/me/notifications/{ids[1]}", json={"archived": True})
        await http.patch(f"/me/notifications/{ids[2]}", json={"seen": True})
        assert await counted() == (2, 1, 1)
        listed: dict[str, list[str]] = {}
        for folder in ("inbox", "unread", "archived", "snoozed"):
            answer = await http.get("/me/notifications", params={"folder": folder})
            listed[folder] = [each["id"] for each in answer.json()["items"]]
        assert listed == {
            "inbox": [ids[3], ids[2]],
            "unread": [ids[3], ids[2]],
            "archived": [ids[1]],
            "snoozed": [ids[0]],
        }
        left = (await http.patch("/me/inbox", json={"read": True, "up_to": ids[2]})).json()
        assert left == {"unread": 1, "unseen": 1, "snoozed": 1}, "what was put off was not shown"
        clock.advance(hours=2)
        assert await counted() == (2, 2, 0)
        left = (await http.patch("/me/inbox", json={"read": True, "up_to": ids[2]})).json()
        assert left == {"unread": 1, "unseen": 1, "snoozed": 0}
        for wrong in ({}, {"read": False}, {"read": True, "up_to": "x"}):
            assert (await http.patch("/me/inbox", json=wrong)).status_code == 422
