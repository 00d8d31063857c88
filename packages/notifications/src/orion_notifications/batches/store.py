"""Statements on batches and their recipients.

How many messages of a batch stand where is read from `notifications` itself (ARCHITECTURE, fence 2).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import RowMapping, delete, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_notifications.batches.rules import BatchStatus
from orion_notifications.batches.tables import BatchRecipient, NotificationBatch

BATCHES = table_of(NotificationBatch)
RECIPIENTS = table_of(BatchRecipient)
IS_GATHERING = BATCHES.c.audience.contains({"is_complete": False})

# Sent again, a chunk is the same; whoever stands in the batch already (uq_batch_recipients_…) is left out.
ADD = text("""
INSERT INTO batch_recipients (batch_id, position, user_id, recipient, locale, variables)
SELECT :batch_id, line.position, line.user_id, line.recipient, line.locale, CAST(line.variables AS jsonb)
FROM unnest(
  CAST(:positions AS integer[]), CAST(:user_ids AS uuid[]), CAST(:recipients AS text[]), CAST(:locales AS text[]),
  CAST(:variables AS text[])
) AS line (position, user_id, recipient, locale, variables)
ON CONFLICT DO NOTHING
""")

# In the order of the upload (pk_batch_recipients). The row of the batch is locked, so nobody else takes them. Positions
# are from 1 on and no two alike, so whoever is left stands behind as many as are gone: the index is not read through
# what it still has of them, which are hundreds of thousands while somebody's snapshot keeps VACUUM from its work.
TAKE = text("""
DELETE FROM batch_recipients
WHERE batch_id = :batch_id AND position = ANY (ARRAY(
  SELECT position FROM batch_recipients
  WHERE batch_id = :batch_id AND position > :gone
  ORDER BY position
  LIMIT :limit
))
RETURNING position, user_id, recipient, locale, variables
""")

# ix_notifications_batch_id: every message of the batch is looked at, so it is not done often.
COUNT = text("""
SELECT status::text AS status, count(*) AS count,
  count(*) FILTER (WHERE status = 'QUEUED' AND deferred_reason = :held) AS held
FROM notifications WHERE batch_id = :batch_id GROUP BY status
""")

# The same, with what was said of those that did not go out.
OUTCOMES = text("""
SELECT status::text AS status, error_code, count(*) AS count FROM notifications WHERE batch_id = :batch_id
GROUP BY status, error_code ORDER BY count(*) DESC, status, error_code
LIMIT :limit
""")

COMPLAIN = text("""
UPDATE notification_batches SET total_complained = total_complained + 1
WHERE id = (SELECT batch_id FROM notifications WHERE id = :id)                        -- pk_notifications
""")


async def add(connection: AsyncConnection, values: Mapping[str, Any]) -> RowMapping:
    """Insert a batch."""
    return (await connection.execute(insert(BATCHES).values(**values).returning(BATCHES))).mappings().one()


async def find(connection: AsyncConnection, batch_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """One batch (pk_notification_batches); locked, no worker makes messages of it meanwhile."""
    statement = select(BATCHES).where(BATCHES.c.id == batch_id)
    if lock:
        statement = statement.with_for_update(key_share=True)
    return (await connection.execute(statement)).mappings().one_or_none()


async def page(
    connection: AsyncConnection, status: BatchStatus | None, before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Batches, newest first (pk_notification_batches): there are as many as campaigns."""
    statement = select(BATCHES).order_by(BATCHES.c.id.desc()).limit(limit)
    if status is not None:
        statement = statement.where(BATCHES.c.status == status)
    if before is not None:
        statement = statement.where(BATCHES.c.id < before)
    return (await connection.execute(statement)).mappings().all()


async def change(connection: AsyncConnection, batch_id: UUID, values: Mapping[str, Any]) -> RowMapping:
    """Change a batch (pk_notification_batches)."""
    statement = update(BATCHES).where(BATCHES.c.id == batch_id).values(**values).returning(BATCHES)
    return (await connection.execute(statement)).mappings().one()


async def remove(connection: AsyncConnection, batch_id: UUID) -> None:
    """Delete a batch that has no messages yet, and its recipients (pk_notification_batches)."""
    await connection.execute(delete(BATCHES).where(BATCHES.c.id == batch_id))


async def due(connection: AsyncConnection, now: datetime) -> RowMapping | None:
    """A batch for which there is something to do, locked; others look after the rest (next_look_at's index)."""
    statement = (
        select(BATCHES)
        .where(BATCHES.c.next_look_at <= now, or_(~IS_GATHERING, BATCHES.c.status != BatchStatus.RUNNING))
        .order_by(BATCHES.c.next_look_at)
        .limit(1)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return (await connection.execute(statement)).mappings().one_or_none()


async def take_gathering(connection: AsyncConnection, now: datetime, until: datetime) -> RowMapping | None:
    """A running batch whose recipients are not all there; others leave it alone until then (next_look_at's index)."""
    due = (
        select(BATCHES.c.id)
        .where(BATCHES.c.next_look_at <= now, IS_GATHERING, BATCHES.c.status == BatchStatus.RUNNING)
        .order_by(BATCHES.c.next_look_at)
        .limit(1)
        .with_for_update(skip_locked=True, key_share=True)
    )
    statement = update(BATCHES).where(BATCHES.c.id.in_(due)).values(next_look_at=until).returning(BATCHES)
    return (await connection.execute(statement)).mappings().one_or_none()


async def add_recipients(connection: AsyncConnection, batch_id: UUID, lines: Sequence[Mapping[str, Any]]) -> int:
    """Add lines of an upload; how many are new."""
    values = {
        "batch_id": batch_id,
        "positions": [line["position"] for line in lines],
        "user_ids": [line["user_id"] for line in lines],
        "recipients": [line["recipient"] for line in lines],
        "locales": [line["locale"] for line in lines],
        "variables": [orjson.dumps(line["variables"]).decode() for line in lines],
    }
    return (await connection.execute(ADD, values)).rowcount


async def add_slices(connection: AsyncConnection, batch_id: UUID, slices: Iterable[Sequence[Mapping[str, Any]]]) -> int:
    """Add the lines of a whole file; how many are new."""
    return sum([await add_recipients(connection, batch_id, lines) for lines in slices])


async def take_recipients(connection: AsyncConnection, batch_id: UUID, gone: int, limit: int) -> list[RowMapping]:
    """Take the next recipients of a locked batch away, in order; `gone` of them have been taken."""
    rows = (await connection.execute(TAKE, {"batch_id": batch_id, "gone": gone, "limit": limit})).mappings()
    return sorted(rows, key=lambda row: row["position"])


async def forget_recipients(connection: AsyncConnection, batch_id: UUID) -> None:
    """Delete whom a batch will not reach any more (pk_batch_recipients)."""
    await connection.execute(delete(RECIPIENTS).where(RECIPIENTS.c.batch_id == batch_id))


async def recipients(connection: AsyncConnection, batch_id: UUID, after: int, limit: int) -> Sequence[RowMapping]:
    """Whom a batch has still to reach, in order (pk_batch_recipients)."""
    statement = (
        select(RECIPIENTS)
        .where(RECIPIENTS.c.batch_id == batch_id, RECIPIENTS.c.position > after)
        .order_by(RECIPIENTS.c.position)
        .limit(limit)
    )
    return (await connection.execute(statement)).mappings().all()


async def count(connection: AsyncConnection, batch_id: UUID, held: str) -> tuple[dict[str, int], int]:
    """How many messages of a batch stand where, and how many of them wait for this reason."""
    rows = (await connection.execute(COUNT, {"batch_id": batch_id, "held": held})).mappings().all()
    return {row["status"]: row["count"] for row in rows}, sum(row["held"] for row in rows)


async def outcomes(connection: AsyncConnection, batch_id: UUID, limit: int) -> Sequence[RowMapping]:
    """What has become of the messages of a batch and why, the most frequent first."""
    return (await connection.execute(OUTCOMES, {"batch_id": batch_id, "limit": limit})).mappings().all()


async def note_complaint(connection: AsyncConnection, notification_id: UUID) -> None:
    """One complaint more about the batch of a message, if it is one of a batch."""
    await connection.execute(COMPLAIN, {"id": notification_id})
