"""Statements of the queue.

Each step of a delivery is one statement: it moves the queue row, the record and the attempt together or not at all. So
these statements name `notifications` too (ARCHITECTURE, fence 2); to ask would be a round trip per message.

Times are the database's (`now()`): leases compare clocks of several machines otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.statement import fetch
from orion_notifications.delivery.messages import Carried, Report, Told
from orion_notifications.delivery.rules import Reported, Waiting
from orion_notifications.kinds import Channel, Priority

ENQUEUE = text("""
INSERT INTO notification_queue (notification_id, priority, due_at, ordering_key, channel)
VALUES (
  :notification_id, CAST(:priority AS priority), coalesce(:due_at, now()), :ordering_key,
  (SELECT channel FROM notifications WHERE id = :notification_id)              -- pk_notifications
)
""")

# Of one batch, in one round trip; sent by the driver itself.
ENQUEUE_MANY = """
INSERT INTO notification_queue (notification_id, priority, due_at, ordering_key, channel)
SELECT id, priority, coalesce(due_at, now()), ordering_key, channel
FROM unnest(
  $1::uuid[], CAST($2::text[] AS priority[]), $3::timestamptz[], $4::text[], CAST($5::text[] AS channel[])
) AS waiting (id, priority, due_at, ordering_key, channel)
"""
# Else the check of the foreign key is planned anew for every row (actions.GENERIC_PLANS).
PLAN_ONCE = "SET LOCAL plan_cache_mode = force_generic_plan"

# What a worker has is not touched: it waits for a claim that is under way, and then looks again (READ COMMITTED).
WITHDRAW = text("""
DELETE FROM notification_queue WHERE notification_id = :id AND lease_until IS NULL RETURNING notification_id
""")

WITHDRAW_MANY = text("""
DELETE FROM notification_queue WHERE notification_id = ANY (CAST(:ids AS uuid[])) AND lease_until IS NULL
RETURNING notification_id
""")

RESCHEDULE = text("""
UPDATE notification_queue SET due_at = :due_at WHERE notification_id = :id AND lease_until IS NULL
RETURNING notification_id
""")

# Found among what has not left (ix_notifications_status_priority_queued_at).
WAITING_OF_BATCH = """
  SELECT id FROM notifications
  WHERE status = 'QUEUED' AND priority = CAST(:priority AS priority) AND batch_id = :batch_id{more} LIMIT :limit
"""

RELEASE_BATCH = text(f"""
WITH waiting AS ({WAITING_OF_BATCH.format(more=" AND deferred_reason = :reason")}), released AS (
  UPDATE notification_queue q SET due_at = now() FROM waiting
  WHERE q.notification_id = waiting.id AND q.lease_until IS NULL                  -- pk_notification_queue
  RETURNING q.notification_id
)
UPDATE notifications n SET deferred_reason = NULL, next_attempt_at = NULL
FROM released WHERE n.id = released.notification_id
""")  # noqa: S608

CANCEL_BATCH = text(f"""
WITH waiting AS ({WAITING_OF_BATCH.format(more="")}), taken AS (
  DELETE FROM notification_queue q USING waiting
  WHERE q.notification_id = waiting.id AND q.lease_until IS NULL                  -- pk_notification_queue
  RETURNING q.notification_id
)
UPDATE notifications n
SET status = 'CANCELLED', cancelled_at = now(), next_attempt_at = NULL, sealed_variables = NULL,
  error_code = 'batch_cancelled', error_message = 'its batch was cancelled'
FROM taken WHERE n.id = taken.notification_id
""")  # noqa: S608

# SENT alone has something that may follow by a report. The row is found by ix_notifications_provider_message_id, and
# once more after an UPDATE that had to wait for another report of the same message.
REPORT = text("""
WITH moved AS (
  UPDATE notifications
  SET status = CAST(:status AS notification_status),
    delivered_at = CASE WHEN :status = 'DELIVERED' THEN now() ELSE delivered_at END,
    failed_at = CASE WHEN :status <> 'DELIVERED' THEN now() ELSE failed_at END,
    error_code = :code, error_message = :words
  WHERE provider_message_id = :message_id AND provider = :provider AND status = 'SENT'
  RETURNING id
)
SELECT n.id, EXISTS (SELECT FROM moved WHERE moved.id = n.id) AS is_news
FROM notifications n WHERE n.provider_message_id = :message_id AND n.provider = :provider
ORDER BY n.id DESC LIMIT 1
""")

CARRIED = text("""
SELECT channel::text, recipient, provider, provider_message_id FROM notifications WHERE id = :id
""")

# Which message a provider knows as this (ix_notifications_provider_message_id).
CARRIED_AS = text("""
SELECT id FROM notifications WHERE provider_message_id = :message_id AND provider = :provider ORDER BY id DESC LIMIT 1
""")

# Reads the head of each index only, so it may be asked at every probe. What is paused is meant to wait.
HEALTH = text("""
SELECT
  (SELECT extract(epoch FROM now() - min(head.due_at))
   FROM unnest(enum_range(NULL::channel)) AS lane (channel)
   CROSS JOIN unnest(enum_range(NULL::priority)) AS level (priority)
   CROSS JOIN LATERAL (
     SELECT q.due_at FROM notification_queue q                                       -- ix_notification_queue_lane
     WHERE q.channel = lane.channel AND q.priority = level.priority AND q.lease_until IS NULL AND q.lost_leases = 0
       AND q.due_at <= now()
     ORDER BY q.due_at LIMIT 1
   ) AS head
   WHERE NOT EXISTS (SELECT FROM channel_pauses p WHERE p.channel = lane.channel)) AS waiting_seconds,
  (SELECT extract(epoch FROM now() - min(lease_until)) FROM notification_queue WHERE lease_until < now())
    AS overdue_seconds,
  (SELECT extract(epoch FROM now() - completed_at) FROM delivery_attempts ORDER BY id DESC LIMIT 1) AS idle_seconds
""")

DUE_OF_LANE = text("""
SELECT count(*) FROM (
  SELECT FROM notification_queue
  WHERE channel = CAST(:channel AS channel) AND priority = CAST(:priority AS priority) AND due_at <= now()
    AND lease_until IS NULL AND lost_leases = 0
  LIMIT :limit
) AS due
""")

PAUSE = text("""
INSERT INTO channel_pauses (channel, reason, paused_by) VALUES (CAST(:channel AS channel), :reason, :by)
ON CONFLICT (channel) DO UPDATE SET reason = excluded.reason, paused_by = excluded.paused_by
""")

RESUME = text("DELETE FROM channel_pauses WHERE channel = CAST(:channel AS channel) RETURNING channel::text")

PAUSED = text("SELECT channel::text AS channel, reason, paused_by, paused_at FROM channel_pauses ORDER BY channel")


@dataclass(frozen=True)
class QueueHealth:
    """What `/readyz` tells of the queue: what is due longest, whose lease is over, when something last came through."""

    waiting_seconds: float
    overdue_seconds: float
    idle_seconds: float


async def enqueue(
    connection: AsyncConnection, notification_id: UUID, priority: Priority, due_at: datetime | None, key: str | None
) -> None:
    """Add the row that workers look for."""
    values = {"notification_id": notification_id, "priority": priority.name, "due_at": due_at, "ordering_key": key}
    await connection.execute(ENQUEUE, values)


async def enqueue_many(connection: AsyncConnection, rows: Sequence[Waiting]) -> None:
    """Add the rows of many."""
    arguments = [
        [row.notification_id for row in rows],
        [row.priority.name for row in rows],
        [row.due_at for row in rows],
        [row.ordering_key for row in rows],
        [row.channel.name for row in rows],
    ]
    await connection.execute(text(PLAN_ONCE))
    await fetch(connection, ENQUEUE_MANY, arguments)


async def withdraw(connection: AsyncConnection, notification_id: UUID) -> bool:
    """Remove the row, unless it is leased (pk_notification_queue)."""
    return (await connection.execute(WITHDRAW, {"id": notification_id})).scalar_one_or_none() is not None


async def withdraw_many(connection: AsyncConnection, ids: Sequence[UUID]) -> set[UUID]:
    """Remove the rows that are not leased; whose they were (pk_notification_queue)."""
    return set((await connection.execute(WITHDRAW_MANY, {"ids": list(ids)})).scalars())


async def reschedule(connection: AsyncConnection, notification_id: UUID, due_at: datetime) -> bool:
    """Have it due at another time, unless it is leased (pk_notification_queue)."""
    values = {"id": notification_id, "due_at": due_at}
    return (await connection.execute(RESCHEDULE, values)).scalar_one_or_none() is not None


async def release_batch(
    connection: AsyncConnection, batch_id: UUID, priority: Priority, reason: str, limit: int
) -> int:
    """Have messages of a batch leave that wait for this reason; how many."""
    values = {"batch_id": batch_id, "priority": priority.name, "reason": reason, "limit": limit}
    return (await connection.execute(RELEASE_BATCH, values)).rowcount


async def cancel_batch(connection: AsyncConnection, batch_id: UUID, priority: Priority, limit: int) -> int:
    """Take messages of a batch back that no worker has; how many."""
    values = {"batch_id": batch_id, "priority": priority.name, "limit": limit}
    return (await connection.execute(CANCEL_BATCH, values)).rowcount


async def due_of_lane(connection: AsyncConnection, channel: Channel, priority: Priority, limit: int) -> int:
    """How many messages of a channel and priority are due, at most `limit` (ix_notification_queue_lane)."""
    values = {"channel": channel.name, "priority": priority.name, "limit": limit}
    return (await connection.execute(DUE_OF_LANE, values)).scalar_one()


async def report(connection: AsyncConnection, provider: str, message_id: str, what: Report) -> Told | None:
    """Move the record, where that is forward (ix_notifications_provider_message_id)."""
    is_bad = what.status is not Reported.DELIVERED
    values = {
        "provider": provider,
        "message_id": message_id,
        "status": what.status.name,
        "code": (what.code or what.status.name.lower()) if is_bad else None,
        "words": storable(what.words, 2000) if is_bad else None,
    }
    row = (await connection.execute(REPORT, values)).one_or_none()
    return None if row is None else Told(row.id, row.is_news)


async def carried(connection: AsyncConnection, notification_id: UUID) -> Carried | None:
    """How a notification left (pk_notifications)."""
    row = (await connection.execute(CARRIED, {"id": notification_id})).one_or_none()
    return None if row is None else Carried(Channel[row[0]], *row[1:])


async def carried_as(connection: AsyncConnection, provider: str, message_id: str) -> UUID | None:
    """Which notification a provider knows by that name."""
    values = {"provider": provider, "message_id": message_id}
    return (await connection.execute(CARRIED_AS, values)).scalar_one_or_none()


async def health(connection: AsyncConnection) -> QueueHealth:
    """How the queue is doing."""
    row = (await connection.execute(HEALTH)).mappings().one()
    return QueueHealth(
        waiting_seconds=float(row["waiting_seconds"] or 0),
        overdue_seconds=float(row["overdue_seconds"] or 0),
        idle_seconds=float("inf" if row["idle_seconds"] is None else row["idle_seconds"]),
    )


async def pause(connection: AsyncConnection, channel: Channel, reason: str, by: str) -> None:
    """Have no worker claim anything of a channel."""
    await connection.execute(PAUSE, {"channel": channel.name, "reason": reason, "by": by})


async def resume(connection: AsyncConnection, channel: Channel) -> bool:
    """Have it claimed again; whether it was paused."""
    return (await connection.execute(RESUME, {"channel": channel.name})).scalar_one_or_none() is not None


async def paused(connection: AsyncConnection) -> list[RowMapping]:
    """Which channels are paused, why and by whom."""
    return list((await connection.execute(PAUSED)).mappings())


def storable(words: str | None, longest: int) -> str | None:
    """A provider's words as PostgreSQL can keep them: no NUL, no lone surrogate, not too long."""
    return words and words.encode(errors="replace").decode().replace("\0", "")[:longest]
