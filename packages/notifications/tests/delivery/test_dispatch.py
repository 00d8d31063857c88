"""The loop of a worker, with channels of one's own."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from packages.notifications.tests.delivery.test_queue import add

from orion_core.database import Database
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock
from orion_core.wakeup import Wakeup
from orion_notifications.delivery.dispatch import Dispatcher, Pace, admit_all
from orion_notifications.delivery.messages import Admit, AtOnce, Claimed, Message, Receipt, Ruling, Send
from orion_notifications.delivery.rules import Next
from orion_notifications.kinds import Channel, Priority

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query, Until


async def test_what_may_not_go_out_is_held_back_at_the_last_moment(
    database: Database, queue: Wakeup, clock: MovableClock, query: "Query", until: "Until"
) -> None:
    """One question for each batch; when it cannot be answered nothing goes out, and nothing counts as a try."""
    left: list[UUID] = []
    asked: list[int] = []

    def channel(message: Message) -> Receipt:
        left.append(message.id)
        return Receipt(Next.SENT, "sink")

    async def admit(claimed: Sequence[Claimed]) -> Mapping[UUID, Ruling]:
        asked.append(len(claimed))
        if len(asked) == 1:
            raise RuntimeError("the database is away")
        return {each.id: Ruling(Next.REJECTED, None, "suppressed", "no") for each in claimed if each.id == ids[0]}

    ids = [await add(database, channel="WEBHOOK") for _ in range(3)]
    async with dispatching(database, queue, clock, {Channel.WEBHOOK: channel}, admit):
        await until(lambda: is_true(query, "SELECT count(*) = 3 FROM notifications WHERE error_code = 'undecided'"))
        await query("UPDATE notification_queue SET due_at = now()")
        await until(lambda: is_true(query, "SELECT NOT EXISTS (SELECT FROM notification_queue)"))
    assert sorted(left) == ids[1:]
    assert asked == [3, 3]
    record = "SELECT status, attempts, error_code FROM notifications ORDER BY id"
    assert await query(record) == [("REJECTED", 0, "suppressed"), ("SENT", 1, None), ("SENT", 1, None)]


async def test_what_is_not_decided_in_time_goes_back_untried(
    database: Database, queue: Wakeup, clock: MovableClock, query: "Query", until: "Until"
) -> None:
    """Its lease runs meanwhile: another worker would send it too."""
    left: list[UUID] = []

    def channel(message: Message) -> Receipt:
        left.append(message.id)
        return Receipt(Next.SENT, "sink")

    async def admit(_: Sequence[Claimed]) -> Mapping[UUID, Ruling]:
        await asyncio.Event().wait()
        return {}

    await add(database, channel="WEBHOOK")
    pace = Pace(poll_seconds=0.05, admit_seconds=0.1)
    async with dispatching(database, queue, clock, {Channel.WEBHOOK: channel}, admit, pace):
        await until(lambda: is_true(query, "SELECT error_code = 'undecided' FROM notifications"))
    assert left == []
    assert await query("SELECT status, attempts FROM notifications") == [("QUEUED", 0)]


def test_a_try_is_over_before_its_lease() -> None:
    assert Pace().longest_try_seconds < Pace().lease_seconds


async def test_what_may_have_killed_its_worker_is_tried_alone(
    database: Database, queue: Wakeup, clock: MovableClock, query: "Query", until: "Until"
) -> None:
    """The others that the dead worker had are not tried with it, and go out all the same, each once."""
    ids = [await add(database, channel="WEBHOOK") for _ in range(5)]
    await query("UPDATE notification_queue SET lost_leases = 1")
    together: list[int] = []
    left: list[UUID] = []

    def channel(message: Message) -> Receipt:
        left.append(message.id)
        return Receipt(Next.SENT, "sink")

    async def admit(claimed: Sequence[Claimed]) -> Mapping[UUID, Ruling]:
        together.append(len(claimed))
        return {}

    async with dispatching(database, queue, clock, {Channel.WEBHOOK: channel}, admit):
        await until(lambda: is_true(query, "SELECT NOT EXISTS (SELECT FROM notification_queue)"))
    assert sorted(left) == ids
    assert together == [1] * 5
    assert await query("SELECT DISTINCT status, attempts FROM notifications") == [("SENT", 1)]


async def test_urgent_ones_and_what_has_waited_for_long_have_their_places(
    database: Database, queue: Wakeup, clock: MovableClock, query: "Query", until: "Until"
) -> None:
    """In a worker as it is set up: of ten slots two are kept for URGENT, and one of the others is for who waits."""
    for _ in range(12):
        await add(database, Priority.HIGH)
    low = await add(database, Priority.LOW)
    await query("UPDATE notification_queue SET due_at = now() - interval '2 minutes'")
    begun: list[UUID] = []

    async def hang(message: Message) -> Receipt:
        begun.append(message.id)
        await asyncio.Event().wait()
        return Receipt(Next.SENT, "sink")

    pace = Pace(slots=10, urgent_slots=2, poll_seconds=0.05, stop_seconds=0.1)
    async with dispatching(database, queue, clock, {}, pace=pace, channels={Channel.EMAIL: hang}):
        await until(lambda: are(begun, 8))
        assert low in begun
        urgent = await add(database, Priority.URGENT)
        await until(lambda: are(begun, 9))
        assert begun[-1] == urgent


async def are(begun: Sequence[UUID], count: int) -> bool:
    return len(begun) >= count


async def test_a_result_that_cannot_be_written_is_written_without_its_words(
    database: Database, queue: Wakeup, clock: MovableClock, query: "Query", until: "Until"
) -> None:
    """What has left does not leave once more because of what its provider said."""
    ids = [await add(database, channel="WEBHOOK") for _ in range(3)]

    def channel(message: Message) -> Receipt:
        return Receipt(Next.SENT, "sink", response="x", status_code=2**40 if message.id == ids[1] else 200)

    async with dispatching(database, queue, clock, {Channel.WEBHOOK: channel}):
        await until(lambda: is_true(query, "SELECT NOT EXISTS (SELECT FROM notification_queue)"))
    assert await query("SELECT status, count(*) FROM notifications GROUP BY 1") == [("SENT", 3)]


async def test_a_message_that_cannot_be_read_fails_alone(
    database: Database, queue: Wakeup, clock: MovableClock, query: "Query", until: "Until"
) -> None:
    """A number of hundreds of digits, which jsonb holds."""
    ids = [await add(database, channel="WEBHOOK") for _ in range(3)]
    await query(f"UPDATE notifications SET variables = '{{\"n\": {'9' * 400}}}' WHERE id = :id", id=ids[0])
    left: list[UUID] = []

    def channel(message: Message) -> Receipt:
        left.append(message.id)
        return Receipt(Next.SENT, "sink")

    async with dispatching(database, queue, clock, {Channel.WEBHOOK: channel}):
        await until(lambda: is_true(query, "SELECT NOT EXISTS (SELECT FROM notification_queue)"))
    assert sorted(left) == ids[1:]
    record = "SELECT status, error_code FROM notifications ORDER BY id"
    assert await query(record) == [("FAILED", "unreadable"), ("SENT", None), ("SENT", None)]


@asynccontextmanager
async def dispatching(
    database: Database,
    queue: Wakeup,
    clock: MovableClock,
    at_once: Mapping[Channel, AtOnce],
    admit: Admit = admit_all,
    pace: Pace | None = None,
    channels: Mapping[Channel, Send] | None = None,
) -> AsyncGenerator[None]:
    """A worker with channels of one's own runs meanwhile."""
    stop = asyncio.Event()
    dispatcher = Dispatcher(
        database=database,
        queue=queue,
        keyring=Keyring.parse(Keyring.new_key("test")),
        channels=channels or {},
        at_once=at_once,
        clock=clock,
        pace=pace or Pace(poll_seconds=0.05),
        admit=admit,
    )
    running = asyncio.create_task(dispatcher.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(running, 10)


async def is_true(query: "Query", sql: str) -> bool:
    return await query(sql) == [(True,)]
