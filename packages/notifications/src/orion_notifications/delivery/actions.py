"""What can be done with the queue."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError

from orion_core.background import keep_doing
from orion_core.database import Database, Transaction
from orion_core.database_faults import database_reason
from orion_core.sealing import Keyring, place
from orion_core.wakeup import Wakeup
from orion_notifications.delivery import invariants, metrics, store
from orion_notifications.delivery.messages import Carried, Report, Told
from orion_notifications.delivery.rules import SECRETS_COLUMN, Waiting
from orion_notifications.kinds import Channel, Priority

QUEUE_CHANNEL = "queue"
"""NOTIFY channel on which workers are woken."""

GENERIC_PLANS = {"plan_cache_mode": "force_generic_plan"}
"""For connections of workers. PostgreSQL would plan the check of every foreign key to `notifications` anew, for every
row: pruning its partitions while planning looks cheaper to it than while executing, and costs ten times as much."""

LONGEST_WAIT_SECONDS = 60.0
LONGEST_OVERDUE_SECONDS = 30.0
SAMPLE = 1_000
TELL_EVERY_SECONDS = 15.0


def seal_secrets(secrets: dict[str, Any], notification_id: UUID, keyring: Keyring) -> bytes | None:
    """Secret variables as the record keeps them until the message has left; a worker opens them."""
    return keyring.seal(orjson.dumps(secrets), place(*SECRETS_COLUMN, notification_id)) if secrets else None


async def enqueue(
    transaction: Transaction,
    queue: Wakeup,
    *,
    notification_id: UUID,
    priority: Priority,
    due_at: datetime | None = None,
    ordering_key: str | None = None,
) -> None:
    """Have a notification sent, in the transaction that records it; workers are woken once it is committed."""
    await store.enqueue(transaction.connection, notification_id, priority, due_at, ordering_key)
    transaction.after_commit(queue.ring)


async def enqueue_many(transaction: Transaction, queue: Wakeup, rows: Sequence[Waiting]) -> None:
    """Have many notifications sent, in the transaction that records them."""
    await store.enqueue_many(transaction.connection, rows)
    transaction.after_commit(queue.ring)


async def withdraw(transaction: Transaction, notification_id: UUID) -> bool:
    """Take a notification out of the queue, unless a worker has it or it has left.

    Whoever does so says in the record, in the same transaction, what has become of it.
    """
    return await store.withdraw(transaction.connection, notification_id)


async def withdraw_many(transaction: Transaction, ids: Sequence[UUID]) -> set[UUID]:
    """The same of many at once: those that were taken out."""
    return await store.withdraw_many(transaction.connection, ids)


async def reschedule(transaction: Transaction, notification_id: UUID, due_at: datetime) -> bool:
    """Have a notification sent at another time, unless a worker has it or it has left."""
    return await store.reschedule(transaction.connection, notification_id, due_at)


async def release_batch(
    transaction: Transaction, queue: Wakeup, batch_id: UUID, priority: Priority, reason: str, limit: int
) -> int:
    """Have messages of a batch leave that were held back for this reason, at most `limit`; how many."""
    transaction.after_commit(queue.ring)
    return await store.release_batch(transaction.connection, batch_id, priority, reason, limit)


async def cancel_batch(transaction: Transaction, batch_id: UUID, priority: Priority, limit: int) -> int:
    """Take messages of a batch back that no worker has in hand, at most `limit`; how many."""
    return await store.cancel_batch(transaction.connection, batch_id, priority, limit)


async def due_of_lane(transaction: Transaction, channel: Channel, priority: Priority, limit: int) -> int:
    """How many messages of a channel and priority are due and not in anybody's hands, at most `limit`."""
    return await store.due_of_lane(transaction.connection, channel, priority, limit)


async def report(transaction: Transaction, provider: str, provider_message_id: str, what: Report) -> Told | None:
    """Take down what a provider tells of a message later; None when it is about none that is known to have left.

    It may come before the worker has written that the provider has the message: who asks again is answered then.
    """
    return await store.report(transaction.connection, provider, provider_message_id, what)


async def report_on(transaction: Transaction, notification_id: UUID, provider: str, what: Report) -> Told | None:
    """The same of a notification by its own id, where the provider that tells of it is the one that carried it."""
    carried = await store.carried(transaction.connection, notification_id)
    if carried is None or carried.provider != provider or carried.provider_message_id is None:
        return None
    return await store.report(transaction.connection, provider, carried.provider_message_id, what)


async def carried(transaction: Transaction, notification_id: UUID) -> Carried | None:
    """How a notification left, and where to; None when there is none of that id."""
    return await store.carried(transaction.connection, notification_id)


async def carried_as(transaction: Transaction, provider: str, provider_message_id: str) -> UUID | None:
    """Which notification a provider knows by that name; None where there is none."""
    return await store.carried_as(transaction.connection, provider, provider_message_id)


async def pause(transaction: Transaction, channel: Channel, *, reason: str, by: str) -> None:
    """Have workers take nothing of a channel, from their next claim on. What they have in hand they finish."""
    await store.pause(transaction.connection, channel, reason, by)


async def resume(transaction: Transaction, queue: Wakeup, channel: Channel) -> bool:
    """Let a channel send again; whether it was paused."""
    transaction.after_commit(queue.ring)
    return await store.resume(transaction.connection, channel)


async def paused(database: Database) -> Sequence[RowMapping]:
    """Which channels are paused, why, by whom and since when."""
    async with database.autocommit() as connection:
        return await store.paused(connection)


async def fault(database: Database) -> str | None:
    """What is wrong with the queue, if anything; for `/readyz`. Metrics tell of broken invariants too."""
    try:
        async with database.autocommit() as connection:
            health = await store.health(connection)
            found = await invariants.broken(connection, SAMPLE, LONGEST_OVERDUE_SECONDS)
            pauses = await store.paused(connection)
    except (SQLAlchemyError, OSError) as error:
        return f"it cannot be asked: {database_reason(error)}"
    metrics.tell_health(health, found)
    metrics.tell_paused({Channel[row["channel"]] for row in pauses})
    if health.overdue_seconds > LONGEST_OVERDUE_SECONDS:
        return f"a lease ran out {health.overdue_seconds:.0f} s ago and no worker has taken it back; is one running?"
    if found:
        return "invariants are broken: " + ", ".join(f"{count} {name}" for name, count in sorted(found.items()))
    if min(health.waiting_seconds, health.idle_seconds) > LONGEST_WAIT_SECONDS:
        return f"a notification has been due for {health.waiting_seconds:.0f} s; is a worker running?"
    return None


async def keep_telling(database: Database, stop: asyncio.Event) -> None:
    """Have `/metrics` tell how the queue is doing, whether or not anybody asks `/readyz`, until `stop`."""

    async def tell() -> None:
        await fault(database)

    await keep_doing(stop, TELL_EVERY_SECONDS, tell, "queue.not_told")
