"""An event takes effect exactly once, whoever follows, whatever fails, wherever it is interrupted."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest
import structlog
from sqlalchemy import text

from orion_contracts.events import SessionEnded
from orion_core import metrics
from orion_core.database import Database, Transaction
from orion_core.events.client import FeedClient
from orion_core.events.follow import EventFailedError, Follower
from orion_core.ids import uuid7
from orion_core.testing import MovableClock, TestDatabase
from orion_core.testing.plugin import MakeDatabase

if TYPE_CHECKING:
    from packages.core.tests.events.conftest import Source

EFFECT = text("INSERT INTO effects (subject) VALUES (:subject)")

MakeFollower = Callable[[], Follower]


class Consumer:
    """A database in which the effects of events are counted."""

    def __init__(self, database: Database, owner: asyncpg.Connection) -> None:
        self.database = database
        self.owner = owner
        self.poisoned: str | None = None
        """The subject whose event cannot be applied."""

    async def apply(self, transaction: Transaction, event: SessionEnded) -> None:
        """Count the event; the table would take it twice."""
        await transaction.connection.execute(EFFECT, {"subject": event.subject})
        await asyncio.sleep(0)
        if event.subject == self.poisoned:
            raise LookupError("a secret that belongs into no fault")

    async def effects(self) -> list[str]:
        """Subjects in the order in which their events took effect."""
        return [row["subject"] for row in await self.owner.fetch("SELECT subject FROM effects ORDER BY number")]


@pytest.fixture
async def consuming(make_database: MakeDatabase) -> TestDatabase:
    return await make_database("user")


@pytest.fixture
async def consumer(consuming: TestDatabase) -> AsyncGenerator[Consumer]:
    database = Database.connect(consuming.url, role="orion_user_service", application="orion test", pool_size=4)
    owner = await asyncpg.connect(consuming.owner_url)
    await owner.execute("CREATE TABLE effects (number bigint GENERATED ALWAYS AS IDENTITY, subject text)")
    await owner.execute("GRANT SELECT, INSERT ON effects TO orion_user_service")
    yield Consumer(database, owner)
    await owner.close()
    await database.close()


@pytest.fixture
def make_follower(consumer: Consumer, client: FeedClient, clock: MovableClock) -> MakeFollower:
    return lambda: Follower(client, consumer.database, clock, {SessionEnded: consumer.apply})


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are retried at once, so that tests need not wait."""
    monkeypatch.setattr("orion_core.events.follow.FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr("orion_core.events.follow.LAST_RETRY_SECONDS", 0.05)


@contextlib.asynccontextmanager
async def running(*followers: Follower) -> AsyncGenerator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(follower.run(stop)) for follower in followers]
    yield
    stop.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 5)


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - it is a database that is waited for
            await asyncio.sleep(0.01)


async def test_events_take_effect_in_order_and_once(
    source: "Source", consumer: Consumer, make_follower: MakeFollower
) -> None:
    written = [subject for _ in range(5) for subject in await source.record()]
    async with running(make_follower()):
        written += await source.record()
        await until(lambda: has(consumer, written))
    async with running(make_follower()):
        written += await source.record()
        await until(lambda: has(consumer, written))
    assert await consumer.effects() == written


async def has(consumer: Consumer, written: list[str]) -> bool:
    return len(await consumer.effects()) >= len(written)


async def test_of_several_copies_one_applies_each_event(
    source: "Source", consumer: Consumer, make_follower: MakeFollower
) -> None:
    written: list[str] = []
    async with running(*(make_follower() for _ in range(4))):
        for _ in range(60):
            written += await source.record(*(_ended() for _ in range(random.randint(1, 3))))
        await until(lambda: has(consumer, written))
        await asyncio.sleep(0.2)
    assert await consumer.effects() == written


def _ended() -> SessionEnded:
    now = datetime.now(UTC)
    return SessionEnded(session_id=uuid7(), user_id=uuid7(), reason="SIGNED_OUT", ended_at=now, tokens_expire_at=now)


async def test_followers_cut_off_at_any_moment_apply_each_event_once(
    source: "Source", consumer: Consumer, make_follower: MakeFollower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orion_core.events.follow.BATCH", 10)
    written = await source.record(*(_ended() for _ in range(150)))
    before = asyncio.all_tasks()
    while len(await consumer.effects()) < len(written):
        follower = make_follower()
        task = asyncio.create_task(follower.run(asyncio.Event()))
        await asyncio.sleep(random.uniform(0.005, 0.15))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks() - before) <= 2, "nothing of it goes on in the background"
    assert await consumer.effects() == written


async def test_a_consumer_whose_database_restarts_goes_on(
    source: "Source", consumer: Consumer, make_follower: MakeFollower, consuming: TestDatabase
) -> None:
    written: list[str] = []
    name = consuming.url.rpartition("/")[2]
    follower = make_follower()
    async with running(follower):
        for _ in range(6):
            await consumer.owner.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
            await consumer.owner.execute("""
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
            """)
            written += await source.record()
            await asyncio.sleep(0.1)
            await consumer.owner.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
            written += await source.record()
            await asyncio.sleep(0.05)
        await until(lambda: has(consumer, written))
        await until(lambda: moves(follower))
    assert await consumer.effects() == written


async def moves(follower: Follower) -> bool:
    return follower.state.fault is None


async def test_an_event_that_cannot_be_applied_holds_up_the_feed_and_is_named(
    source: "Source", consumer: Consumer, make_follower: MakeFollower
) -> None:
    written = [subject for _ in range(30) for subject in await source.record()]
    consumer.poisoned = written[20]
    follower = make_follower()
    async with running(follower):
        await until(lambda: has(consumer, written[:20]))
        await asyncio.sleep(0.3)
        assert await consumer.effects() == written[:20], "all before it, nothing of it, and nothing behind it"
        fault = follower.state.fault or ""
        assert f"({SessionEnded.type})" in fault and "LookupError" in fault and "cannot be applied" in fault
        assert "secret" not in fault, "everybody may read /readyz"
        assert stopped() == 1
        consumer.poisoned = None
        await until(lambda: has(consumer, written))
        await until(lambda: moves(follower))
        assert stopped() == 0
    assert await consumer.effects() == written


def stopped() -> float | None:
    return metrics.REGISTRY.get_sample_value("orion_feed_stopped", {"source": "auth"})


FAULTS = {
    "server error": httpx.Response(500, text="oops"),
    "unavailable": httpx.Response(503, headers={"Retry-After": "1"}),
    "no json": httpx.Response(200, text="<html>Welcome to nginx</html>", headers={"Orion-Next-Position": "99"}),
    "no events": httpx.Response(200, json={"hello": "world"}, headers={"Orion-Next-Position": "99"}),
    "no position": httpx.Response(200, json=[]),
    "a position that is none": httpx.Response(200, json=[], headers={"Orion-Next-Position": "soon"}),
    "not found": httpx.Response(404, json={"code": "not_found"}),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_feed_that_answers_badly_is_asked_again(
    fault: str, source: "Source", consumer: Consumer, make_follower: MakeFollower
) -> None:
    source.faults = [FAULTS[fault]] * 3
    written = await source.record()
    follower = make_follower()
    with structlog.testing.capture_logs() as logs:
        async with running(follower):
            await until(lambda: has(consumer, written))
            await until(lambda: moves(follower))
    assert await consumer.effects() == written and source.asked > 3
    told = next(entry["reason"] for entry in logs if entry["event"] == "feed.stopped")
    assert ("is its URL that of auth?" in told) == (fault == "not found")


async def test_the_feed_of_another_service_is_not_taken_for_ours(
    source: "Source", consumer: Consumer, make_follower: MakeFollower
) -> None:
    """A wrong URL must not move the cursor, or the right feed's events would be missed later."""
    await source.record()
    answer = (await source.feed.read(0)).events[0].model_copy(update={"source": "user"}).model_dump(mode="json")
    source.faults = [httpx.Response(200, json=[answer], headers={"Orion-Next-Position": "50"})] * 10_000
    follower = make_follower()
    async with running(follower):
        await until(lambda: is_stopped(follower))
    assert await consumer.effects() == [] and follower.state.position == 0


async def is_stopped(follower: Follower) -> bool:
    return follower.state.fault is not None


async def test_a_token_that_is_refused_is_replaced(
    source: "Source", consumer: Consumer, make_follower: MakeFollower
) -> None:
    written = await source.record()
    async with running(make_follower()):
        await until(lambda: has(consumer, written))
        source.token = "another"  # auth was set up anew
        written += await source.record()
        await until(lambda: has(consumer, written))
    assert await consumer.effects() == written


async def test_a_feed_that_was_pruned_further_than_was_read_stops_and_says_so(
    source: "Source", consumer: Consumer, make_follower: MakeFollower
) -> None:
    """Nothing is passed over in silence: somebody has to fill in what was missed, and then lets the cursor go on."""
    written = await source.record()
    follower = make_follower()
    async with running(follower):
        await until(lambda: has(consumer, written))
        async with source.database.transaction() as transaction:
            await transaction.connection.execute(text("SELECT setval('outbox_pruned', 50000)"))
        await until(lambda: is_stopped(follower))
        assert follower.state.fault == "auth answered 410 (position_pruned)"
        assert await consumer.owner.fetchval("SELECT position > 0 FROM inbox_cursors")


async def test_a_feed_that_was_set_back_is_read_again_from_its_beginning(
    source: "Source", consumer: Consumer, make_follower: MakeFollower
) -> None:
    """After a restore, positions are given again to other events; what took effect before is known by its id."""
    written = await source.record()
    async with running(make_follower()):
        await until(lambda: has(consumer, written))
        await consumer.owner.execute("UPDATE inbox_cursors SET position = 50000")
        written += await source.record()
        await until(lambda: has(consumer, written))
    assert await consumer.effects() == written


async def test_a_repeated_event_has_no_second_effect(
    source: "Source", consumer: Consumer, make_follower: MakeFollower
) -> None:
    """Such as after somebody has set the cursor back by hand."""
    written = await source.record(*(_ended() for _ in range(3)))
    page = await source.feed.read(0)
    follower = make_follower()
    await follower.apply(0, list(page.events), page.next)
    await consumer.owner.execute("UPDATE inbox_cursors SET position = 0")
    assert await follower.apply(0, list(page.events), page.next) == page.next
    assert await consumer.effects() == written


async def test_a_page_that_another_copy_has_applied_is_left_alone(
    source: "Source", consumer: Consumer, make_follower: MakeFollower
) -> None:
    await source.record()
    page = await source.feed.read(0)
    one, other = make_follower(), make_follower()
    positions = await asyncio.gather(*(each.apply(0, list(page.events), page.next) for each in (one, other)))
    assert positions == [page.next, page.next] and len(await consumer.effects()) == 1


async def test_a_batch_in_which_one_event_fails_leaves_nothing(
    source: "Source", consumer: Consumer, make_follower: MakeFollower
) -> None:
    written = await source.record(*(_ended() for _ in range(3)))
    consumer.poisoned = written[2]
    page = await source.feed.read(0)
    with pytest.raises(EventFailedError):
        await make_follower().apply(0, list(page.events), page.next)
    assert await consumer.effects() == []
    assert await consumer.owner.fetchval("SELECT count(*) FROM inbox") == 0
    assert await consumer.owner.fetchval("SELECT coalesce(max(position), 0) FROM inbox_cursors") == 0
