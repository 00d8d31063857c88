"""Statements on throttles."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.ids import uuid7
from orion_core.tables import table_of
from orion_notifications.kinds import Channel
from orion_notifications.throttles.tables import ThrottleSetting

THROTTLES = table_of(ThrottleSetting)

# The throttle of the channel goes before the one of all (uq_throttles_type_channel); windows by pk_throttle_uses.
FIND = text("""
SELECT t.id, t.most, t.window_seconds, t.excess::text AS excess,
  coalesce((
    SELECT jsonb_object_agg(extract(epoch FROM u.begins_at)::bigint, u.used) FROM throttle_uses u
    WHERE u.user_id = :user_id AND u.throttle_id = t.id
      AND u.begins_at > CAST(:now AS timestamptz) - make_interval(secs => t.window_seconds)
  ), '{}') AS used
FROM throttles t
WHERE t.type = :type AND (t.channel = CAST(:channel AS channel) OR t.channel IS NULL)
ORDER BY t.channel NULLS LAST LIMIT 1
""")

# The row is locked by whoever takes of it, so nobody takes what is not there.
TAKE = text("""
INSERT INTO throttle_uses (user_id, throttle_id, begins_at, used) VALUES (:user_id, :throttle_id, :begins_at, 1)
ON CONFLICT (user_id, throttle_id, begins_at) DO UPDATE SET used = throttle_uses.used + 1
WHERE throttle_uses.used < :most
RETURNING used
""")


async def has(connection: AsyncConnection, kind: str, channel: Channel) -> bool:
    """Whether anything limits messages of this type by this channel (uq_throttles_type_channel)."""
    statement = select(THROTTLES.c.id).where(
        THROTTLES.c.type == kind, or_(THROTTLES.c.channel == channel, THROTTLES.c.channel.is_(None))
    )
    return (await connection.execute(statement.limit(1))).one_or_none() is not None


async def find(
    connection: AsyncConnection, user_id: UUID, kind: str, channel: Channel, now: datetime
) -> RowMapping | None:
    """The throttle of a type and channel, with what the user has used of the windows that are not over."""
    values = {"user_id": user_id, "type": kind, "channel": channel.name, "now": now}
    return (await connection.execute(FIND, values)).mappings().one_or_none()


async def take(connection: AsyncConnection, values: dict[str, Any]) -> bool:
    """Take one use of a window; False when there is none left."""
    return (await connection.execute(TAKE, values)).one_or_none() is not None


async def list_all(connection: AsyncConnection) -> Sequence[RowMapping]:
    """All of them, by type."""
    return (await connection.execute(select(THROTTLES).order_by(THROTTLES.c.type, THROTTLES.c.id))).mappings().all()


async def hold(connection: AsyncConnection, kind: str, channel: Channel | None) -> RowMapping | None:
    """The throttle of exactly that type and channel, locked (uq_throttles_type_channel)."""
    statement = select(THROTTLES).where(THROTTLES.c.type == kind, THROTTLES.c.channel.is_not_distinct_from(channel))
    return (await connection.execute(statement.with_for_update())).mappings().one_or_none()


async def set_one(connection: AsyncConnection, values: dict[str, Any]) -> RowMapping:
    """Add one, or change the one of that type and channel."""
    statement = insert(THROTTLES).values(id=uuid7(), **values)
    changed = statement.on_conflict_do_update(constraint="uq_throttles_type_channel", set_=values)
    return (await connection.execute(changed.returning(THROTTLES))).mappings().one()


async def remove(connection: AsyncConnection, throttle_id: UUID) -> RowMapping | None:
    """Delete one, with the uses of it (pk_throttles, ix_throttle_uses_throttle_id); the row that is gone."""
    statement = delete(THROTTLES).where(THROTTLES.c.id == throttle_id).returning(THROTTLES)
    return (await connection.execute(statement)).mappings().one_or_none()
