"""Statements on digests. What stands in one is asked of `notifications` in raw SQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

# Whoever adds to a window that is being closed waits, and then finds it closed: it goes into no digest.
OPEN = text("""
INSERT INTO digests (user_id, until) VALUES (:user_id, :until)
ON CONFLICT (user_id, until) DO UPDATE SET updated_at = now() WHERE digests.closed_at IS NULL
RETURNING id
""")

ADD = text("INSERT INTO digest_items (notification_id, digest_id) VALUES (:notification_id, :digest_id)")

# By ix_digests_open; each is closed by one process.
DUE = text("""
SELECT id, user_id FROM digests
WHERE closed_at IS NULL AND until <= :now AND (put_off_until IS NULL OR put_off_until <= :now)
ORDER BY until LIMIT 1 FOR UPDATE SKIP LOCKED
""")

# By ix_digest_items_digest_id and pk_notifications. What an operator has put off since waits for its own time.
ITEMS = text("""
SELECT n.id, n.type, n.category::text AS category
FROM digest_items i JOIN notifications n ON n.id = i.notification_id
WHERE i.digest_id = :digest_id AND n.status = 'QUEUED' AND n.attempts = 0
  AND (n.scheduled_at IS NULL OR n.scheduled_at <= :now)
ORDER BY n.id
""")

# By pk_notifications; of those alone that have a line of their own.
WORDS = text("""
SELECT id, type, subject, content, template_id, template_version, locale, timezone, variables
FROM notifications WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id
""")

# By pk_digests. Its window stays: what is put into it meanwhile would else open a second digest of the same window.
PUT_OFF = text("UPDATE digests SET put_off_until = :until WHERE id = :digest_id AND closed_at IS NULL")

CLOSE = text("UPDATE digests SET closed_at = :now WHERE id = :digest_id")


async def open_digest(connection: AsyncConnection, user_id: UUID, until: datetime) -> UUID | None:
    """The digest of a window (uq_digests_user_id_until); None when it is closed."""
    return (await connection.execute(OPEN, {"user_id": user_id, "until": until})).scalar_one_or_none()


async def add(connection: AsyncConnection, digest_id: UUID, notification_id: UUID) -> None:
    """Have a message told of in it."""
    await connection.execute(ADD, {"digest_id": digest_id, "notification_id": notification_id})


async def due(connection: AsyncConnection, now: datetime) -> RowMapping | None:
    """One whose window is over, held until the transaction ends."""
    return (await connection.execute(DUE, {"now": now})).mappings().one_or_none()


async def items(connection: AsyncConnection, digest_id: UUID, now: datetime) -> Sequence[RowMapping]:
    """What is to be told of and has not left by itself."""
    return (await connection.execute(ITEMS, {"digest_id": digest_id, "now": now})).mappings().all()


async def words(connection: AsyncConnection, ids: Sequence[UUID]) -> Sequence[RowMapping]:
    """What messages say, or are rendered from."""
    return (await connection.execute(WORDS, {"ids": list(ids)})).mappings().all()


async def put_off(connection: AsyncConnection, digest_id: UUID, until: datetime) -> None:
    """Have its turn come later."""
    await connection.execute(PUT_OFF, {"digest_id": digest_id, "until": until})


async def close(connection: AsyncConnection, digest_id: UUID, now: datetime) -> None:
    """Its mail is ordered."""
    await connection.execute(CLOSE, {"digest_id": digest_id, "now": now})
