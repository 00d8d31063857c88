"""What workers do for batches: make messages of recipients, count what became of them, hold them and let them go.

The recipients go in the transaction that makes their messages, while the batch is locked: a worker that is killed
leaves both or neither, so nobody is written to twice or not at all, and there is no lease that could be lost.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError

from orion_core.background import pause
from orion_core.clock import Clock
from orion_core.database import Database, Transaction
from orion_notifications.batches import store
from orion_notifications.batches.rules import (
    COUNT_EVERY,
    COUNTING_SHARE,
    FED_AT_ONCE,
    HOLDING,
    LATE_REPORTS,
    LATE_REPORTS_EVERY,
    LOOK_AGAIN,
    MOST_AHEAD,
    MOST_FAILURES,
    BatchStatus,
    Limits,
    chunk,
    counts_of,
    failed,
    least_told_of,
    next_feed,
    why_stop,
)
from orion_notifications.decisions.rules import Decision, Step, Verdict
from orion_notifications.decisions.shapes import in_words
from orion_notifications.delivery.actions import cancel_batch, due_of_lane, release_batch
from orion_notifications.desk import Desk
from orion_notifications.notifications.actions import accept_many
from orion_notifications.notifications.rules import Order
from orion_notifications.templates.actions import PublishedTemplate, UnknownTemplateError, pinned
from orion_notifications.templates.rules import Content

POLL_SECONDS = 1.0
HELD = in_words(Decision(Step.BATCH, Verdict.DEFER, "held"))
"""Why a message of a batch that does not go on waits, as its record says it."""
CANARY_IS_HERE = "It waits: the canary's time is over, and too few of its messages have left to say anything."
A_MINUTE = timedelta(minutes=1)

log = structlog.get_logger()


class PutOffError(Exception):
    """A batch could not be looked after; it is tried again in a minute, or FAILED when that has happened too often."""


async def feed(database: Database, desk: Desk, clock: Clock, stop: asyncio.Event) -> None:
    """Look after the batches that have something to do, until `stop`; any number of processes may."""
    while not stop.is_set():
        try:
            if await look(database, desk, clock()):
                continue
        except PutOffError:
            log.exception("batch.put_off")
            continue
        except (SQLAlchemyError, OSError) as error:
            log.warning("batches.unreachable", reason=type(error).__name__)
        await pause(stop, POLL_SECONDS)


async def look(database: Database, desk: Desk, now: datetime) -> bool:
    """Do the next step of a batch; False when none has one. Raises PutOffError."""
    batch: RowMapping | None = None
    try:
        async with database.transaction() as transaction:
            batch = await store.due(transaction.connection, now)
            if batch is not None:
                await step(transaction, desk, batch, now)
    except Exception as error:
        if batch is None:
            raise
        await _put_off(database, batch, now)
        raise PutOffError(f"batch {batch['id']}") from error
    return batch is not None


async def _put_off(database: Database, batch: RowMapping, now: datetime) -> None:
    """Look at it later, or no more: it comes first and would stop all others."""
    failures = batch["metadata"].get("failures", 0) + 1
    values: dict[str, Any] = {"metadata": batch["metadata"] | {"failures": failures}, "next_look_at": now + A_MINUTE}
    if failures >= MOST_FAILURES:
        values |= failed("It could not be looked after; the worker's log says why.", now)
    async with database.autocommit() as connection:
        await store.change(connection, batch["id"], values)


async def step(transaction: Transaction, desk: Desk, batch: RowMapping, now: datetime) -> None:
    """Do what is to be done for a locked batch, in one transaction."""
    await store.change(transaction.connection, batch["id"], await _changes(transaction, desk, batch, now))


async def _changes(transaction: Transaction, desk: Desk, batch: RowMapping, now: datetime) -> dict[str, Any]:
    """What changes of a batch by this step, with the moment of the next."""
    status: BatchStatus = batch["status"]
    if status is BatchStatus.SCHEDULED:
        return {"status": BatchStatus.RUNNING, "started_at": now, "next_look_at": now}
    if status in HOLDING - {BatchStatus.PAUSED} and await _cancel(transaction, batch):
        return {"next_look_at": now}
    if batch["is_releasing"]:
        released = await release_batch(transaction, desk.queue, batch["id"], batch["priority"], HELD, FED_AT_ONCE)
        return {"is_releasing": released > 0, "next_look_at": now}
    if _must_count(batch, now):
        return await _count(transaction, batch, now)
    if status is BatchStatus.RUNNING:
        return await _feed(transaction, desk, batch, now)
    return {"next_look_at": _count_again_at(batch)}


async def _cancel(transaction: Transaction, batch: RowMapping) -> bool:
    await store.forget_recipients(transaction.connection, batch["id"])
    return await cancel_batch(transaction, batch["id"], batch["priority"], FED_AT_ONCE) > 0


def _must_count(batch: RowMapping, now: datetime) -> bool:
    """Now and then, and before the canary's word is taken for it."""
    counted_at, canary_until = batch["counted_at"], batch["canary_until"]
    if counted_at is None or now >= _count_again_at(batch):
        return True
    return canary_until is not None and counted_at < canary_until <= now


def _count_again_at(batch: RowMapping) -> datetime:
    counted_at: datetime = batch["counted_at"]
    taking = timedelta(milliseconds=batch["metadata"].get("counting_ms", 0))
    return counted_at + max(COUNT_EVERY, COUNTING_SHARE * taking)


async def _count(transaction: Transaction, batch: RowMapping, now: datetime) -> dict[str, Any]:
    """The totals, and what follows from them: an end, or a stop."""
    status: BatchStatus = batch["status"]
    began = time.perf_counter()
    by_status, held = await store.count(transaction.connection, batch["id"], HELD)
    counts = counts_of(by_status)
    took = int((time.perf_counter() - began) * 1000)
    values: dict[str, Any] = {
        # A worker that had seen the batch pause may hold something back after it was let go on.
        "is_releasing": status is BatchStatus.RUNNING and held > 0,
        "total_queued": counts.queued,
        "total_sent": counts.sent,
        "total_delivered": counts.delivered,
        "total_failed": counts.failed,
        "total_bounced": counts.bounced,
        "total_skipped": counts.skipped,
        "counted_at": now,
        "next_look_at": now,
        "metadata": batch["metadata"] | {"counting_ms": took},
    }
    if status is BatchStatus.RUNNING:
        limits = Limits(batch["bounced_permille"], batch["complained_permille"], batch["canary_recipients"])
        why = why_stop(counts, batch["total_complained"], limits)
        if why is not None:
            return values | {"status": BatchStatus.PAUSED, "reason": why}
        if batch["fed_count"] > 0 and counts.queued == 0 and not await _is_waiting(transaction, batch):
            return values | {"status": BatchStatus.COMPLETED, "completed_at": now}
        return values
    if status is BatchStatus.PAUSED:
        return values | {"next_look_at": now + COUNT_EVERY}
    ended_at: datetime = batch["completed_at"] or now
    following: datetime | None = now + LATE_REPORTS_EVERY
    if counts.queued > 0:
        following = now + COUNT_EVERY
    elif now >= ended_at + LATE_REPORTS:
        following = None
    return values | {"completed_at": ended_at, "next_look_at": following}


async def _is_waiting(transaction: Transaction, batch: RowMapping) -> bool:
    return bool(await store.recipients(transaction.connection, batch["id"], batch["fed_count"], 1))


async def _feed(transaction: Transaction, desk: Desk, batch: RowMapping, now: datetime) -> dict[str, Any]:
    """Make messages of the next recipients, unless enough are on their way or the canary is waited for."""
    canary_until: datetime | None = batch["canary_until"]
    size = chunk(
        batch["fed_count"],
        batch["rate_per_second"],
        batch["canary_recipients"],
        canary_is_over=canary_until is not None and now >= canary_until and _has_told(batch),
    )
    if size == 0:
        until = canary_until or now + timedelta(seconds=batch["canary_seconds"])
        following = _count_again_at(batch)
        if until <= now:
            return {"reason": CANARY_IS_HERE, "next_look_at": following}
        return {"canary_until": until, "next_look_at": min(until, following)}
    if await due_of_lane(transaction, batch["channel"], batch["priority"], MOST_AHEAD) >= MOST_AHEAD:
        return {"next_look_at": now + LOOK_AGAIN}
    template: PublishedTemplate | None = None
    try:
        if batch["content"] is None:
            template = await pinned(transaction.connection, batch["template_id"], batch["template_version"])
    except UnknownTemplateError as error:
        return failed(f"Nothing more is sent: {error}.", now)
    taken = await store.take_recipients(transaction.connection, batch["id"], batch["fed_count"], size)
    if not taken:
        return {"next_look_at": _count_again_at(batch)}
    await accept_many(transaction, desk, template, _orders(batch, template, taken), now)
    return {
        "fed_count": batch["fed_count"] + len(taken),
        "reason": None,
        "metadata": batch["metadata"] | {"failures": 0},
        "next_look_at": next_feed(len(taken), batch["rate_per_second"], now),
    }


def _has_told(batch: RowMapping) -> bool:
    """Whether enough of the canary's messages have left for it to say something, or none of them will."""
    left = batch["total_sent"] + batch["total_bounced"]
    never_left = batch["total_failed"] - batch["total_bounced"] + batch["total_skipped"]
    return batch["total_queued"] == 0 or left >= least_told_of(batch["canary_recipients"], never_left)


def _orders(batch: RowMapping, template: PublishedTemplate | None, taken: Sequence[RowMapping]) -> list[Order]:
    content = None if batch["content"] is None else Content(**batch["content"])
    return [
        Order(
            key=None,
            type=batch["type"],
            template=template and template.name,
            channel=batch["channel"],
            user_id=row["user_id"],
            variables={**batch["variables"], **row["variables"]},
            recipient=row["recipient"],
            locale=row["locale"],
            content=content,
            category=batch["category"],
            priority=batch["priority"],
            batch_id=batch["id"],
        )
        for row in taken
    ]
