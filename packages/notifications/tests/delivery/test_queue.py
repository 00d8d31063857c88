"""The queue: who gets what in which order, and what becomes of it when its worker does not come back."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import text

from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.wakeup import Wakeup
from orion_notifications.delivery import lease_store, store
from orion_notifications.delivery.actions import enqueue_many, fault, pause, report, reschedule, resume, withdraw
from orion_notifications.delivery.lanes import AGED_SHARE, Lane
from orion_notifications.delivery.lease_store import Ask
from orion_notifications.delivery.messages import Claimed, Outcome, Report, Ruling, Told
from orion_notifications.delivery.outcomes import ruled
from orion_notifications.delivery.rules import AttemptStatus, Next, Reported, Waiting
from orion_notifications.kinds import Channel, Priority
from orion_notifications.templates.rules import Content

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query


MINUTE = timedelta(minutes=1)


async def add(database: Database, priority: Priority = Priority.NORMAL, key: str | None = None, **other: Any) -> UUID:
    """A queued notification with content of its own."""
    notification_id = uuid7()
    fields = {"id": notification_id, "type": "t", "category": "SYSTEM", "channel": "EMAIL", "recipient": "a@b.example"}
    fields |= {"content": "c", "priority": priority.name} | other
    columns = ", ".join(fields)
    values = ", ".join(f":{name}" for name in fields)
    async with database.transaction() as transaction:
        await transaction.connection.execute(text(f"INSERT INTO notifications ({columns}) VALUES ({values})"), fields)
        await store.enqueue(transaction.connection, notification_id, priority, None, key)
    return notification_id


def claimed_of(priority: Priority) -> Claimed:
    """What a claim may bring."""
    now = datetime.now(UTC)
    fields: dict[str, Any] = dict.fromkeys(Claimed._fields)
    fields |= {"id": uuid7(), "channel": Channel.EMAIL, "priority": priority, "due_at": now, "leased_at": now}
    return Claimed(**fields)


async def claim(database: Database, batch: int = 10, lease_seconds: float = 60, **asked: Any) -> list[Claimed]:
    """As a worker does that has room for this many of each channel."""
    asks = [Ask(channel, batch, batch, batch, **asked) for channel in Channel]
    async with database.autocommit() as connection:
        return await lease_store.claim(
            connection, asks, timedelta(seconds=lease_seconds), MINUTE, at_once=[Channel.IN_APP], lost=1
        )


async def finish(database: Database, claimed: Claimed, next_: Next = Next.SENT, **other: Any) -> bool:
    status = AttemptStatus.SUCCESS if next_ in (Next.SENT, Next.DELIVERED) else AttemptStatus.FAILURE
    outcome = Outcome(claimed.id, claimed.attempt, status, next_, ordering_key=claimed.ordering_key, **other)
    async with database.autocommit() as connection:
        return claimed.id in await lease_store.finish(connection, [outcome])


async def give_back(database: Database) -> list[UUID]:
    async with database.autocommit() as connection:
        return await lease_store.give_back(connection, 100)


async def test_the_most_urgent_and_then_the_oldest_goes_first(database: Database) -> None:
    order = [Priority.LOW, Priority.URGENT, Priority.NORMAL, Priority.HIGH, Priority.URGENT]
    added = [(priority, await add(database, priority)) for priority in order]
    expected = [each for _, each in sorted(added, key=lambda pair: (-pair[0].value, pair[1]))]
    claimed = [(await claim(database, 1))[0].id for _ in order]
    assert claimed == expected
    assert await claim(database) == []


async def test_finishing_writes_record_and_attempt(database: Database, query: "Query") -> None:
    await add(database)
    (row,) = await claim(database)
    assert (row.attempt, row.attempts) == (1, 1)
    assert await query("SELECT status, attempts FROM notifications") == [("PROCESSING", 0)]
    assert await query("SELECT * FROM delivery_attempts") == []
    content = Content("s", "sent", "<p>")
    assert await finish(
        database, row, provider="smtp", response="OK", response_time_ms=7, status_code=250, content=content
    )
    record = "SELECT status, sent_at IS NOT NULL, provider, subject, content, html_content FROM notifications"
    assert await query(record) == [("SENT", True, "smtp", "s", "sent", "<p>")]
    attempt = "SELECT status, provider, response, response_time_ms, status_code, attempted_at FROM delivery_attempts"
    assert await query(attempt) == [("SUCCESS", "smtp", "OK", 7, 250, row.leased_at)]
    assert await query("SELECT * FROM notification_queue") == []


async def test_a_passing_failure_goes_back_and_is_due_later(database: Database, query: "Query") -> None:
    await add(database)
    (row,) = await claim(database)
    assert await finish(database, row, Next.QUEUED, delay_seconds=90.0, error_code="smtp_451")
    assert await claim(database) == []
    state = "SELECT status, error_code, round(extract(epoch FROM next_attempt_at - now()) / 10) FROM notifications"
    assert await query(state) == [("QUEUED", "smtp_451", 9)]
    await query("UPDATE notification_queue SET due_at = now()")
    (again,) = await claim(database)
    assert again.attempt == 2
    assert await finish(database, again, Next.FAILED, error_code="smtp_550")
    assert await query("SELECT status, error_code, failed_at IS NOT NULL FROM notifications") == [
        ("FAILED", "smtp_550", True)
    ]


async def test_a_worker_that_does_not_come_back_loses_its_lease(database: Database, query: "Query") -> None:
    notification_id = await add(database)
    (late,) = await claim(database, lease_seconds=-1)
    assert await give_back(database) == [notification_id]
    assert await query("SELECT status, error_code FROM delivery_attempts") == [("UNKNOWN", "lease_expired")]
    assert await query("SELECT status FROM notifications") == [("QUEUED",)]
    (again,) = await claim(database)
    assert not await finish(database, late, Next.FAILED, error_code="late")
    assert await finish(database, again)
    assert await query("SELECT status, error_code FROM notifications") == [("SENT", None)]
    assert not await finish(database, again)


async def test_a_late_worker_is_fenced_off_before_anybody_else_claims(database: Database, query: "Query") -> None:
    await add(database)
    (late,) = await claim(database, lease_seconds=-1)
    await give_back(database)
    assert not await finish(database, late)
    assert await query("SELECT status FROM notifications") == [("QUEUED",)]


async def test_what_kills_every_worker_is_given_up_in_the_end(database: Database, query: "Query") -> None:
    await add(database, max_attempts=2)
    for _ in range(2):
        await claim(database, lease_seconds=-1)
        await give_back(database)
    assert await query("SELECT status, attempts, error_code FROM notifications") == [("FAILED", 2, "lease_expired")]
    assert await query("SELECT * FROM notification_queue") == []


async def test_messages_of_one_ordering_key_leave_one_after_the_other(database: Database) -> None:
    first, second, third = [
        await add(database, priority, "ada") for priority in (Priority.LOW, Priority.URGENT, Priority.HIGH)
    ]
    other = await add(database)
    for expected in (first, second, third):
        claimed = {row.id: row for row in await claim(database)}
        assert set(claimed) - {other} == {expected}
        await finish(database, claimed[expected])


async def test_many_workers_share_without_doubling(database: Database, query: "Query") -> None:
    added = {await add(database) for _ in range(60)}
    rounds = [await asyncio.gather(*(claim(database, 7) for _ in range(5))) for _ in range(4)]
    claimed = [row.id for each in rounds for rows in each for row in rows]
    assert len(claimed) == len(added)
    assert set(claimed) == added
    assert await query("SELECT count(*), min(attempt), max(attempt) FROM notification_queue") == [(60, 1, 1)]


async def test_words_that_postgresql_cannot_keep_do_no_harm(database: Database, query: "Query") -> None:
    await add(database)
    (row,) = await claim(database)
    assert await finish(database, row, Next.FAILED, error_code="smtp_550", error_message="a\0b\udc80" + "x" * 5000)
    ((message,),) = await query("SELECT error_message FROM notifications")
    assert message.startswith("ab?x")


async def test_readiness_tells_of_a_broken_queue(database: Database, owner: Database, query: "Query") -> None:
    assert await fault(database) is None
    await add(database)
    assert await fault(database) is None
    await query("UPDATE notification_queue SET due_at = now() - interval '2 minutes'")
    assert "has been due for 120 s" in str(await fault(database))
    await claim(database, lease_seconds=-90)
    assert "a lease ran out 90 s ago" in str(await fault(database))
    await query("DELETE FROM notification_queue")
    assert "1 unqueued" in str(await fault(database))


async def test_many_are_queued_at_once(database: Database, queue: Wakeup, query: "Query") -> None:
    ids = [await add(database) for _ in range(3)]
    await query("DELETE FROM notification_queue")
    later = datetime.now(UTC) + timedelta(hours=1)
    rows = [
        Waiting(ids[0], Channel.EMAIL, Priority.LOW),
        Waiting(ids[1], Channel.EMAIL, Priority.URGENT, ordering_key="ada"),
        Waiting(ids[2], Channel.EMAIL, Priority.URGENT, due_at=later),
    ]
    async with database.transaction() as transaction:
        await enqueue_many(transaction, queue, rows)
    assert {row.id for row in await claim(database)} == {ids[0], ids[1]}
    assert await query("SELECT due_at FROM notification_queue WHERE lease_until IS NULL") == [(later,)]


async def test_what_a_worker_has_cannot_be_withdrawn_or_moved(database: Database, query: "Query") -> None:
    notification_id = await add(database)
    later = datetime.now(UTC) + timedelta(hours=1)
    async with database.transaction() as transaction:
        assert await reschedule(transaction, notification_id, later)
    assert await claim(database) == []
    async with database.transaction() as transaction:
        assert await reschedule(transaction, notification_id, datetime.now(UTC))
    assert len(await claim(database)) == 1
    async with database.transaction() as transaction:
        assert not await withdraw(transaction, notification_id)
        assert not await reschedule(transaction, notification_id, later)
    other = await add(database)
    async with database.transaction() as transaction:
        assert await withdraw(transaction, other)
        assert not await withdraw(transaction, other)
    assert await query("SELECT notification_id FROM notification_queue") == [(notification_id,)]


async def test_reports_move_forward_only(database: Database, query: "Query") -> None:
    notification_id = await add(database)
    (row,) = await claim(database)

    async def tell(status: Reported, message_id: str = "m-1", provider: str = "sink") -> Told | None:
        async with database.transaction() as transaction:
            return await report(transaction, provider, message_id, Report(status, "code", "words"))

    assert await tell(Reported.DELIVERED) is None, "the worker has not written yet that it has left"
    await finish(database, row, provider="sink", provider_message_id="m-1")
    assert await tell(Reported.DELIVERED, "m-2") is None
    assert await tell(Reported.DELIVERED, provider="other") is None
    answers = [await tell(status) for status in (Reported.DELIVERED, Reported.DELIVERED, Reported.BOUNCED)]
    assert answers == [Told(notification_id, is_news) for is_news in (True, False, False)]
    record = "SELECT status, delivered_at IS NOT NULL, error_code, failed_at FROM notifications"
    assert await query(record) == [("DELIVERED", True, None, None)]


async def test_of_reports_at_the_same_moment_one_is_news(database: Database) -> None:
    await add(database)
    (row,) = await claim(database)
    await finish(database, row, provider="sink", provider_message_id="m-1")

    async def tell(status: Reported) -> bool:
        async with database.transaction() as transaction:
            told = await report(transaction, "sink", "m-1", Report(status))
            return told is not None and told.is_news

    statuses = [*Reported, *Reported]
    assert sorted(await asyncio.gather(*(tell(status) for status in statuses))) == [False] * 7 + [True]


async def test_urgent_ones_have_room_that_others_cannot_take(database: Database) -> None:
    for _ in range(5):
        await add(database)
    lane = Lane(Channel.EMAIL, slots=4, reserved=2)
    asked = lane.ask(everything=True)
    assert asked is not None
    async with database.autocommit() as connection:
        ordinary = await lease_store.claim(connection, [asked], MINUTE, MINUTE, at_once=[], lost=0)
    lane.take(asked, ordinary)
    assert len(ordinary) == 2
    urgent = [await add(database, Priority.URGENT) for _ in range(3)]
    asked = lane.ask(everything=True)
    assert asked is not None
    async with database.autocommit() as connection:
        claimed = await lease_store.claim(connection, [asked], MINUTE, MINUTE, at_once=[], lost=0)
    assert {each.id for each in claimed} == set(urgent[:2])


async def test_what_has_waited_for_long_gets_its_share(database: Database, query: "Query") -> None:
    """However much there is of a higher priority, LOW moves."""
    low = [await add(database, Priority.LOW) for _ in range(3)]
    await query("UPDATE notification_queue SET due_at = now() - interval '2 minutes'")
    for _ in range(10):
        await add(database, Priority.HIGH)
    claimed = [each.id for each in await claim(database, 4, aged=1)]
    assert len(claimed) == 4
    assert [each for each in low if each in claimed] == low[:1]


async def test_a_flood_of_urgent_ones_does_not_starve_the_others(database: Database, query: "Query") -> None:
    low = await add(database, Priority.LOW)
    await query("UPDATE notification_queue SET due_at = now() - interval '2 minutes'")
    for _ in range(20):
        await add(database, Priority.URGENT)
    lane = Lane(Channel.EMAIL, slots=2)
    seen: list[UUID] = []
    for _ in range(AGED_SHARE):
        asked = lane.ask(everything=True)
        assert asked is not None
        async with database.autocommit() as connection:
            claimed = await lease_store.claim(connection, [asked], MINUTE, MINUTE, at_once=[], lost=0)
        lane.take(asked, claimed)
        for each in claimed:
            seen.append(each.id)
            lane.release(each)
    assert low in seen


def test_a_lane_whose_ordinary_slots_are_taken_asks_again_when_one_is_free() -> None:
    """And does not ask again and again before."""
    lane = Lane(Channel.EMAIL, slots=4, reserved=2)
    full = [claimed_of(Priority.NORMAL) for _ in range(2)]
    asked = lane.ask(everything=True)
    assert asked is not None
    assert (asked.urgent, asked.ordinary) == (4, 2)
    lane.take(asked, full)
    assert not lane.is_worth_a_claim
    asked = lane.ask(everything=False)
    assert asked is not None
    assert (asked.urgent, asked.ordinary) == (2, 0)
    lane.take(asked, [])
    assert not lane.is_worth_a_claim
    lane.release(full[0])
    assert lane.is_worth_a_claim


async def test_a_paused_channel_waits_and_the_others_do_not(database: Database, queue: Wakeup, query: "Query") -> None:
    mail, text_message = await add(database), await add(database, channel="SMS")
    async with database.transaction() as transaction:
        await pause(transaction, Channel.EMAIL, reason="their server is down", by="ada")
    assert [each.id for each in await claim(database)] == [text_message]
    await query("UPDATE notification_queue SET due_at = now() - interval '2 minutes'")
    assert await fault(database) is None, "it is meant to wait"
    async with database.transaction() as transaction:
        assert await resume(transaction, queue, Channel.EMAIL)
        assert not await resume(transaction, queue, Channel.EMAIL)
    assert [each.id for each in await claim(database)] == [mail]


async def test_the_next_of_an_ordering_key_is_found_though_it_is_long_due(database: Database, query: "Query") -> None:
    first, second = await add(database, key="ada"), await add(database, key="ada")
    await query("UPDATE notification_queue SET due_at = now() - interval '1 hour'")
    (claimed,) = await claim(database)
    assert claimed.id == first
    await finish(database, claimed)
    moment = datetime.now(UTC) - MINUTE
    since = dict.fromkeys(Priority, moment)
    assert [each.id for each in await claim(database, since=since)] == [second]


async def test_what_lost_its_worker_is_claimed_by_itself(database: Database) -> None:
    """So that a kill counts against one message, and not once more against all that a dead worker had in hand."""
    lost = [await add(database) for _ in range(3)]
    assert len(await claim(database, lease_seconds=-1)) == 3
    await give_back(database)
    fresh = await add(database)
    claimed = await claim(database)
    assert [each.id for each in claimed if not each.lost_leases] == [fresh]
    assert [each.id in lost for each in claimed if each.lost_leases] == [True]


async def test_what_was_queued_without_its_channel_gets_it(database: Database, query: "Query") -> None:
    """As the version before does, during a deploy."""
    notification_id = await add(database)
    await query("UPDATE notification_queue SET channel = NULL")
    assert await claim(database) == []
    async with database.autocommit() as connection:
        assert await lease_store.adopt(connection, 10) == 1
    assert [each.id for each in await claim(database)] == [notification_id]


async def test_claims_are_counted_round(database: Database, query: "Query") -> None:
    """What is put off for ever, twice a minute, does not stop the batch that it is claimed in."""
    await add(database)
    await query("UPDATE notification_queue SET attempt = 32767")
    (claimed,) = await claim(database)
    assert claimed.attempt == 1
    assert await finish(database, claimed)


async def test_no_attempt_is_written_of_what_is_put_off(database: Database, query: "Query") -> None:
    await add(database)
    (claimed,) = await claim(database)
    later = datetime.now(UTC) + timedelta(hours=8)
    outcome = ruled(claimed, Ruling(Next.QUEUED, later, "quiet_hours", "it is night there"))
    async with database.autocommit() as connection:
        await lease_store.finish(connection, [outcome])
    record = "SELECT status, attempts, next_attempt_at, deferred_reason, error_code FROM notifications"
    assert await query(record) == [("QUEUED", 0, later, "it is night there", "quiet_hours")]
    assert await query("SELECT * FROM delivery_attempts") == []
    await query("UPDATE notification_queue SET due_at = now()")
    (claimed,) = await claim(database)
    async with database.autocommit() as connection:
        await lease_store.finish(connection, [ruled(claimed, Ruling(Next.CANCELLED, None, "gone", "no account"))])
    assert await query("SELECT status, cancelled_at IS NOT NULL FROM notifications") == [("CANCELLED", True)]


async def test_a_place_whose_record_has_ended_holds_up_no_other_and_goes(database: Database, query: "Query") -> None:
    """It should not be there. A batch that cannot be claimed because of it could never be."""
    now = datetime.now(UTC)
    ended = [await add(database, status="CANCELLED", cancelled_at=now), await add(database, status="EXPIRED")]
    alive = await add(database)
    assert [claimed.id for claimed in await claim(database)] == [alive]
    await query(
        "UPDATE notification_queue SET leased_at = now() - interval '2 s', lease_until = now() - interval '1 s'"
    )
    assert set(await give_back(database)) == {alive, *ended}
    assert await query("SELECT notification_id, lease_until FROM notification_queue") == [(alive, None)]
    assert await query("SELECT notification_id, status::text FROM delivery_attempts") == [(alive, "UNKNOWN")]
    kept = "SELECT status::text FROM notifications WHERE id = :id"
    assert [await query(kept, id=id) for id in ended] == [[("CANCELLED",)], [("EXPIRED",)]]
