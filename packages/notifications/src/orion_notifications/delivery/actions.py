"""What can be done with the queue."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.exc import SQLAlchemyError

from orion_core.database import Database, Transaction
from orion_core.sealing import Keyring, place
from orion_core.wakeup import Wakeup
from orion_notifications.delivery import store
from orion_notifications.delivery.messages import Report, Told, Waiting
from orion_notifications.delivery.rules import SECRETS_COLUMN
from orion_notifications.kinds import Priority

QUEUE_CHANNEL = "queue"
"""NOTIFY channel on which workers are woken."""

LONGEST_WAIT_SECONDS = 60.0
LONGEST_OVERDUE_SECONDS = 30.0
SAMPLE = 1_000


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


async def reschedule(transaction: Transaction, notification_id: UUID, due_at: datetime) -> bool:
    """Have a notification sent at another time, unless a worker has it or it has left."""
    return await store.reschedule(transaction.connection, notification_id, due_at)


async def report(transaction: Transaction, provider: str, provider_message_id: str, what: Report) -> Told | None:
    """Take down what a provider tells of a message later; None when it is about none that is known to have left.

    It may come before the worker has written that the provider has the message: who asks again is answered then.
    """
    return await store.report(transaction.connection, provider, provider_message_id, what)


async def fault(database: Database) -> str | None:
    """What is wrong with the queue, if anything; for `/readyz`."""
    try:
        async with database.autocommit() as connection:
            health = await store.health(connection, SAMPLE)
    except (SQLAlchemyError, OSError) as error:
        return f"it cannot be asked ({type(error).__name__})"
    if health.unqueued or health.finished_in_queue:
        return f"invariants are broken: {health.unqueued} unqueued, {health.finished_in_queue} finished but queued"
    if health.overdue_seconds > LONGEST_OVERDUE_SECONDS:
        return f"a lease ran out {health.overdue_seconds:.0f} s ago and no worker has taken it back; is one running?"
    if health.waiting_seconds > LONGEST_WAIT_SECONDS:
        return f"a notification has been due for {health.waiting_seconds:.0f} s; is a worker running?"
    return None
