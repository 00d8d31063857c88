"""A reader of the feed sees each committed event once and in order, whenever and by whomever it was written."""

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import pytest
from sqlalchemy import text

from orion_contracts.cloud_event import CloudEvent
from orion_contracts.events import SessionEnded, SessionStarted
from orion_core.errors import Problem
from orion_core.events.feed import NUMBER, NUMBERING_LOCK, POLL_SECONDS, QUIET_SECONDS, TAKE_LOCK, Feed
from orion_core.ids import uuid7
from orion_core.testing import TestDatabase
from orion_core.tracing import continue_trace
from orion_core.wakeup import Wakeup

if TYPE_CHECKING:
    from packages.core.tests.events.conftest import Source


def subjects(events: list[CloudEvent]) -> list[str]:
    return [event.subject for event in events]


async def read_all(feed: Feed, after: int = 0, limit: int = 100) -> list[CloudEvent]:
    events: list[CloudEvent] = []
    while (page := await feed.read(after, limit=limit)).events:
        events += page.events
        after = page.next
    return events


async def test_an_event_exists_if_and_only_if_its_transaction_was_committed(source: "Source") -> None:
    kept = await source.record()
    with pytest.raises(KeyError):
        await fail_after_recording(source)
    assert subjects(await read_all(source.feed)) == kept


async def fail_after_recording(source: "Source") -> None:
    async with source.database.transaction() as transaction:
        await source.outbox.record(transaction, started(), datetime.now(UTC))
        raise KeyError


def started() -> SessionStarted:
    now = datetime.now(UTC)
    return SessionStarted(session_id=uuid7(), user_id=uuid7(), started_at=now, expires_at=now)


async def test_an_event_carries_its_cause_and_what_is_needed_to_apply_it(source: "Source") -> None:
    trace = continue_trace(None)
    event = started()
    moment = datetime.now(UTC)
    async with source.database.transaction() as transaction:
        await source.outbox.record(transaction, event, moment)
    (read,) = await read_all(source.feed)
    assert (read.type, read.source, read.subject) == (SessionStarted.type, "auth", str(event.session_id))
    assert (read.traceparent, read.time) == (trace, moment)
    assert SessionStarted.read(read.data) == event


async def test_pages_follow_each_other_without_gap_or_overlap(source: "Source") -> None:
    written = [subject for _ in range(25) for subject in await source.record()]
    first = await source.feed.read(0, limit=10)
    second = await source.feed.read(first.next, limit=10)
    third = await source.feed.read(second.next, limit=10)
    assert [len(page.events) for page in (first, second, third)] == [10, 10, 5]
    assert subjects([*first.events, *second.events, *third.events]) == written
    assert [page.is_whole for page in (first, second, third)] == [False, False, True]
    assert (await source.feed.read(third.next)).events == []


async def test_reading_again_gives_the_same(source: "Source") -> None:
    await source.record()
    assert await read_all(source.feed) == await read_all(source.feed)


async def test_a_transaction_that_commits_late_is_not_skipped(source: "Source") -> None:
    async with source.database.transaction() as late:
        event = started()
        await source.outbox.record(late, event, datetime.now(UTC))  # has the lower id and the lower sequence number
        early = await source.record()
        page = await source.feed.read(0)
        assert subjects(list(page.events)) == early, "and the late one holds up nobody"
    assert subjects(await read_all(source.feed, page.next)) == [event.subject]


async def test_events_of_one_subject_keep_their_order(source: "Source", owner: asyncpg.Connection) -> None:
    """Who changes a subject locks its row first, so of two such transactions one commits before the other writes."""
    await owner.execute("INSERT INTO inbox_cursors (source, position) VALUES ('subject', 0)")
    lock = text("UPDATE inbox_cursors SET position = position + 1 WHERE source = 'subject' RETURNING position")
    session_id = uuid7()

    async def change() -> None:
        async with source.database.transaction() as transaction:
            number = (await transaction.connection.execute(lock)).scalar_one()
            event = started().model_copy(update={"session_id": session_id, "device_name": str(number)})
            await source.outbox.record(transaction, event, datetime.now(UTC))

    await asyncio.gather(*(change() for _ in range(40)))
    assert [event.data["device_name"] for event in await read_all(source.feed, limit=7)] == [
        str(n) for n in range(1, 41)
    ]


async def test_more_events_than_one_numbering_takes(source: "Source", owner: asyncpg.Connection) -> None:
    await owner.execute("""
        INSERT INTO outbox (type, subject, data, occurred_at)
        SELECT 'a', n, '{}', now() FROM generate_series(1, 2500) n
    """)
    assert subjects(await read_all(source.feed, limit=500)) == [str(n) for n in range(1, 2501)]


async def test_a_reader_that_dies_while_numbering_takes_nothing_with_it(
    source: "Source", owner: asyncpg.Connection, own_database: TestDatabase
) -> None:
    written = await source.record()
    dying = await asyncpg.connect(own_database.url, server_settings={"role": "orion_auth_service"})
    await dying.execute("BEGIN")
    await dying.execute(TAKE_LOCK.sql, NUMBERING_LOCK)
    assert await dying.execute(NUMBER.sql) == "UPDATE 1"
    waiting = asyncio.create_task(source.feed.read(0))
    await asyncio.sleep(0.1)
    assert not waiting.done(), "numbering is done by one at a time"
    await owner.execute("SELECT pg_terminate_backend($1)", dying.get_server_pid())
    assert subjects(list((await waiting).events)) == written
    written += await source.record()
    assert subjects(await read_all(source.feed)) == written


async def test_readers_that_number_at_once_agree(source: "Source") -> None:
    written = [subject for _ in range(30) for subject in await source.record()]
    readers = await asyncio.gather(*(read_all(source.feed, limit=7) for _ in range(8)))
    assert all(subjects(events) == written for events in readers)
    assert len({tuple(event.position for event in events) for events in readers}) == 1


async def test_a_long_poll_ends_with_the_first_event(source: "Source") -> None:
    waiting = asyncio.create_task(source.feed.read(0, wait=10))
    await asyncio.sleep(0.1)
    written, began = await source.record(), time.perf_counter()
    assert subjects(list((await waiting).events)) == written
    assert time.perf_counter() - began < POLL_SECONDS, "a ring wakes the reader; it does not wait for its next poll"


async def test_readers_of_a_busy_feed_get_the_events_of_a_moment_together(source: "Source") -> None:
    async def write() -> None:
        while not stop.is_set():
            written.extend(await source.record())

    async def follow() -> tuple[int, list[str]]:
        answers, seen, after = 0, list[str](), 0
        while len(seen) < len(written) or not stop.is_set():
            page = await source.feed.read(after, limit=500, wait=1)
            answers, seen, after = answers + 1, seen + subjects(list(page.events)), page.next
        return answers, seen

    written, stop, began = list[str](), asyncio.Event(), time.perf_counter()
    writing = asyncio.create_task(write())
    readers = [asyncio.create_task(follow()) for _ in range(2)]
    await asyncio.sleep(1)
    stop.set()
    await writing
    read = await asyncio.gather(*readers)
    most = (time.perf_counter() - began) / QUIET_SECONDS + len(written) / 500 + 4  # each is waited for, or full
    for answers, seen in read:
        assert seen == written and answers <= most < len(written)


async def test_a_long_poll_hears_of_writers_in_other_processes(source: "Source", own_database: TestDatabase) -> None:
    """The ring of another process, carried by the database; without it, the poll would notice half a second later."""
    stop = asyncio.Event()
    there = Wakeup(own_database.url, "outbox")
    carriers = [asyncio.create_task(wakeup.run(stop)) for wakeup in (source.feed.wakeup, there)]
    other = type(source)(source.database, there)
    await asyncio.sleep(0.3)
    latencies: list[float] = []
    after = 0
    for _ in range(5):
        waiting = asyncio.create_task(source.feed.read(after, wait=10))
        await asyncio.sleep(0.1)
        began = time.perf_counter()
        await other.record()
        after = (await waiting).next
        latencies.append(time.perf_counter() - began)
    stop.set()
    await asyncio.gather(*carriers)
    assert sorted(latencies)[2] < POLL_SECONDS / 2


async def test_a_long_poll_of_a_silent_feed_ends_in_time_and_where_it_began(source: "Source") -> None:
    began = time.perf_counter()
    page = await source.feed.read(0, wait=0.3)
    assert (list(page.events), page.next) == ([], 0) and 0.3 <= time.perf_counter() - began < 2


async def test_a_waiting_reader_keeps_no_connection(source: "Source") -> None:
    readers = [asyncio.create_task(source.feed.read(0, wait=5)) for _ in range(20)]  # of a pool of two
    await asyncio.sleep(0.2)
    written = await source.record()
    assert [subjects(list(page.events)) for page in await asyncio.gather(*readers)] == [written] * 20


async def test_with_types_other_events_are_passed_over(source: "Source") -> None:
    for _ in range(5):
        await source.record()
    types = frozenset({SessionStarted.type})
    nothing = await source.feed.read(0, limit=2, types=types, wait=0.2)
    assert nothing.events == [] and nothing.next == (await source.feed.read(0)).next, (
        "it moved past what it passed over"
    )
    async with source.database.transaction() as transaction:
        await source.outbox.record(transaction, event := started(), datetime.now(UTC))
    found = await source.feed.read(0, limit=2, types=types, wait=5)
    assert subjects(list(found.events)) == [event.subject]
    assert not (await source.feed.read(0, limit=6, types=types, wait=5)).is_whole, "what was passed over filled it"
    both = await source.feed.read(0, types=types | {SessionEnded.type})
    assert len(both.events) == 6


async def test_a_position_the_feed_never_gave_is_refused(source: "Source") -> None:
    await source.record()
    last = await source.feed.last_position()
    assert (await source.feed.read(last)).events == []
    with pytest.raises(Problem) as refusal:
        await source.feed.read(last + 1, wait=5)
    assert (refusal.value.status, refusal.value.code) == (409, "position_unknown")


async def test_a_position_that_events_were_pruned_after_is_refused(source: "Source") -> None:
    await source.record()
    first = (await source.feed.read(0)).next
    await source.record()
    last = (await source.feed.read(first)).next
    async with source.database.transaction() as transaction:
        await transaction.connection.execute(text("SELECT setval('outbox_pruned', :last)"), {"last": last})
    with pytest.raises(Problem) as refusal:
        await source.feed.read(first, wait=5)
    assert (refusal.value.status, refusal.value.code) == (410, "position_pruned")
    (kept,) = await source.record()
    assert subjects(list((await source.feed.read(last)).events)) == [kept], "who had read all of it misses nothing"
    assert subjects(list((await source.feed.read(0)).events)) == [kept], "0 is the oldest that is kept"


async def test_after_the_last_position_come_only_events_committed_later(source: "Source") -> None:
    await source.record()
    async with source.database.transaction() as late:
        await source.outbox.record(late, event := started(), datetime.now(UTC))
        last = await source.feed.last_position()
    assert subjects(await read_all(source.feed, last)) == [event.subject]


async def test_writers_do_not_notify_in_their_transactions(source: "Source", own_database: TestDatabase) -> None:
    """A COMMIT that carries a NOTIFY waits for a lock of the whole server."""
    heard: list[str] = []
    listener = await asyncpg.connect(own_database.url)
    await listener.add_listener("outbox", lambda _, __, channel, ___: heard.append(channel))
    for _ in range(5):
        await source.record()
    await listener.execute("SELECT 1")
    await asyncio.sleep(0.1)
    assert heard == [], "only the running wakeup notifies, in a transaction of its own"
    await listener.close()
