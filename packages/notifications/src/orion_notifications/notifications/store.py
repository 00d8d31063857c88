"""Statements on notifications and their keys."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_notifications.kinds import Channel
from orion_notifications.notifications.rules import NotificationStatus
from orion_notifications.notifications.tables import Notification, NotificationKey

NOTIFICATIONS = table_of(Notification)
KEYS = table_of(NotificationKey)
SHOWN: tuple[ColumnElement[Any], ...] = (
    *(NOTIFICATIONS.c[name] for name in ("id", "type", "category", "channel", "priority", "status", "locale")),
    *(NOTIFICATIONS.c[name] for name in ("subject", "content", "created_at", "sent_at", "delivered_at")),
    *(NOTIFICATIONS.c[name] for name in ("seen_at", "read_at")),
)
REACHED = (NotificationStatus.SENT, NotificationStatus.DELIVERED)


async def take_key(connection: AsyncConnection, key: str, notification_id: UUID) -> bool:
    """Take an idempotency key for ever; False when it is taken. Waits for a transaction that is taking the same one."""
    statement = insert(KEYS).values(key=key, notification_id=notification_id).on_conflict_do_nothing()
    return (await connection.execute(statement.returning(KEYS.c.key))).one_or_none() is not None


async def key_holder(connection: AsyncConnection, key: str) -> UUID:
    """The notification that a taken key stands for."""
    return (await connection.execute(select(KEYS.c.notification_id).where(KEYS.c.key == key))).scalar_one()


async def add(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Insert one notification."""
    await connection.execute(insert(NOTIFICATIONS).values(values))


async def list_of_user(
    connection: AsyncConnection,
    user_id: UUID,
    *,
    channel: Channel | None,
    only_unread: bool,
    before: UUID | None,
    limit: int,
) -> list[RowMapping]:
    """What has reached a user, newest first (ix_notifications_user_id_id; the unread by ix_notifications_unread)."""
    statement = (
        select(*SHOWN)
        .where(
            NOTIFICATIONS.c.user_id == user_id,
            NOTIFICATIONS.c.status.in_(REACHED),
            NOTIFICATIONS.c.archived_at.is_(None),
        )
        .order_by(NOTIFICATIONS.c.id.desc())
        .limit(limit)
    )
    if channel is not None:
        statement = statement.where(NOTIFICATIONS.c.channel == channel)
    if only_unread:
        statement = statement.where(NOTIFICATIONS.c.channel == Channel.IN_APP, NOTIFICATIONS.c.read_at.is_(None))
    if before is not None:
        statement = statement.where(NOTIFICATIONS.c.id < before)
    return list((await connection.execute(statement)).mappings())


async def find_of_user(connection: AsyncConnection, user_id: UUID, notification_id: UUID) -> RowMapping | None:
    """One notification that has reached the user (pk_notifications)."""
    statement = select(*SHOWN).where(
        NOTIFICATIONS.c.id == notification_id, NOTIFICATIONS.c.user_id == user_id, NOTIFICATIONS.c.status.in_(REACHED)
    )
    return (await connection.execute(statement)).mappings().one_or_none()


async def set_read(
    connection: AsyncConnection, user_id: UUID, notification_id: UUID, read_at: datetime | None
) -> RowMapping | None:
    """Mark as read, keeping the first time, or as unread with None (pk_notifications)."""
    change: dict[str, Any] = {"read_at": None}
    if read_at is not None:
        change = {
            "read_at": func.coalesce(NOTIFICATIONS.c.read_at, read_at),
            "seen_at": func.coalesce(NOTIFICATIONS.c.seen_at, read_at),
        }
    mine = (
        NOTIFICATIONS.c.id == notification_id,
        NOTIFICATIONS.c.user_id == user_id,
        NOTIFICATIONS.c.status.in_(REACHED),
    )
    statement = update(NOTIFICATIONS).where(*mine).values(change)
    return (await connection.execute(statement.returning(*SHOWN))).mappings().one_or_none()
