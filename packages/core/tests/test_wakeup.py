"""A ring wakes whoever waits, in this process at once and in others soon, and survives the loss of its connection."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from orion_core import wakeup as module
from orion_core.testing import TestDatabase
from orion_core.wakeup import Wakeup


@asynccontextmanager
async def carried(*wakeups: Wakeup) -> AsyncGenerator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(wakeup.run(stop)) for wakeup in wakeups]
    await asyncio.sleep(0.3)
    yield
    stop.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 5)


async def waited(wakeup: Wakeup, seconds: float = 5) -> float:
    began = time.perf_counter()
    await wakeup.wait(seconds)
    return time.perf_counter() - began


async def test_a_ring_wakes_all_who_wait_in_this_process_without_a_database() -> None:
    wakeup = Wakeup("postgresql://nowhere", "outbox")
    waiting = [asyncio.create_task(waited(wakeup)) for _ in range(3)]
    await asyncio.sleep(0.01)
    wakeup.ring()
    assert max(await asyncio.gather(*waiting)) < 1


async def test_without_a_ring_waiting_ends_in_time() -> None:
    assert 0.04 <= await waited(Wakeup("postgresql://nowhere", "outbox"), 0.05) < 1


async def test_a_ring_is_for_those_who_wait_now() -> None:
    wakeup = Wakeup("postgresql://nowhere", "outbox")
    wakeup.ring()
    assert await waited(wakeup, 0.1) >= 0.09


async def test_a_ring_reaches_other_processes_on_the_same_channel(own_database: TestDatabase) -> None:
    here, there, elsewhere = (Wakeup(own_database.url, channel) for channel in ("outbox", "outbox", "queue"))
    async with carried(here, there, elsewhere):
        waiting = [asyncio.create_task(waited(wakeup, 2)) for wakeup in (there, elsewhere)]
        await asyncio.sleep(0.01)
        here.ring()
        heard, silent = await asyncio.gather(*waiting)
    assert heard < 1 and silent >= 1.9


async def test_many_rings_become_few_notifications(own_database: TestDatabase, owner: asyncpg.Connection) -> None:
    """Each NOTIFY is a COMMIT that waits for a lock of the whole server."""
    heard: list[str] = []
    await owner.add_listener("outbox", lambda _, __, channel, ___: heard.append(channel))
    wakeup = Wakeup(own_database.url, "outbox")
    async with carried(wakeup):
        for _ in range(1000):
            wakeup.ring()
            await asyncio.sleep(0)
        await asyncio.sleep(0.3)
    await owner.execute("SELECT 1")
    assert 1 <= len(heard) <= 100


async def test_rings_that_come_one_by_one_are_each_carried_at_once(
    own_database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None waits until a pause after the one before is over, as long as they are no flood."""
    monkeypatch.setattr(module, "NOTIFY_SECONDS", 2.0)
    here, there = (Wakeup(own_database.url, "outbox") for _ in range(2))
    took: list[float] = []
    async with carried(here, there):
        for _ in range(module.NOTIFIES_AT_ONCE):
            waiting = asyncio.create_task(waited(there))
            await asyncio.sleep(0.002)  # it listens before the ring
            here.ring()
            took.append(await waiting)
    assert max(took) < module.NOTIFY_SECONDS / 2


async def test_a_lost_connection_is_made_again(
    own_database: TestDatabase, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECONNECT_SECONDS", 0.05)
    here, there = (Wakeup(own_database.url, "outbox") for _ in range(2))
    async with carried(here, there):
        for _ in range(3):
            waiting = asyncio.create_task(waited(there, 10))
            await asyncio.sleep(0.05)
            await owner.execute("""
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE application_name = 'orion wakeup outbox' AND datname = current_database()
            """)
            assert await waiting < 5, "whoever waits looks for himself: what was rung meanwhile is lost"
            await asyncio.sleep(0.5)
            waiting = asyncio.create_task(waited(there, 10))
            await asyncio.sleep(0.05)
            here.ring()
            assert await waiting < 5


async def test_a_database_that_is_away_at_the_start_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECONNECT_SECONDS", 0.05)
    async with carried(Wakeup("postgresql://127.0.0.1:1/nowhere", "outbox")):
        pass


async def test_nothing_is_left_when_it_ends(own_database: TestDatabase, owner: asyncpg.Connection) -> None:
    before = asyncio.all_tasks()
    async with carried(Wakeup(own_database.url, "outbox")):
        pass
    assert asyncio.all_tasks() == before
    await asyncio.sleep(0.2)
    query = """
        SELECT count(*) FROM pg_stat_activity
        WHERE application_name LIKE 'orion wakeup%' AND datname = current_database()
    """
    assert await owner.fetchval(query) == 0
