"""Statements on push_subscriptions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_notifications.push.tables import PushSubscription

SUBSCRIPTIONS = table_of(PushSubscription)

HOLD_USER = text("SELECT pg_advisory_xact_lock(hashtextextended('push_subscriptions ' || CAST(:user_id AS text), 0))")

ARRIVED = text("""
UPDATE push_subscriptions SET last_success_at = :now
WHERE id = ANY(CAST(:ids AS uuid[]))                              -- pk_push_subscriptions
  AND (last_success_at IS NULL OR last_success_at < :recently)
""")


async def hold_user(connection: AsyncConnection, user_id: UUID) -> None:
    """Let nobody else add to this user's subscriptions until the transaction ends."""
    await connection.execute(HOLD_USER, {"user_id": str(user_id)})


async def of_user(connection: AsyncConnection, user_id: UUID) -> list[RowMapping]:
    """All of a user's (ix_push_subscriptions_user_id)."""
    statement = select(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.user_id == user_id).order_by(SUBSCRIPTIONS.c.id)
    return list((await connection.execute(statement)).mappings())


async def count(connection: AsyncConnection, user_id: UUID) -> int:
    """How many of a user's may be called (ix_push_subscriptions_user_id)."""
    mine = (SUBSCRIPTIONS.c.user_id == user_id, SUBSCRIPTIONS.c.disabled_at.is_(None))
    return (await connection.execute(select(func.count()).where(*mine))).scalar_one()


async def of_token(connection: AsyncConnection, token: str) -> RowMapping | None:
    """The subscription of a token (uq_push_subscriptions_token); it is held until the transaction ends."""
    statement = select(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.token == token).with_for_update()
    return (await connection.execute(statement)).mappings().one_or_none()


async def put(connection: AsyncConnection, values: dict[str, Any]) -> RowMapping:
    """A subscription; one of the same id is replaced by it (pk_push_subscriptions)."""
    statement = insert(SUBSCRIPTIONS).values(values)
    known = {name: statement.excluded[name] for name in values if name != "id"}
    fresh = known | {"disabled_at": None, "disabled_reason": None, "last_success_at": None}
    statement = statement.on_conflict_do_update(index_elements=[SUBSCRIPTIONS.c.id], set_=fresh)
    return (await connection.execute(statement.returning(SUBSCRIPTIONS))).mappings().one()


async def remove(connection: AsyncConnection, user_id: UUID, subscription_id: UUID) -> RowMapping | None:
    """Remove one of a user's (pk_push_subscriptions); what it was, if there was one."""
    mine = (SUBSCRIPTIONS.c.id == subscription_id, SUBSCRIPTIONS.c.user_id == user_id)
    removed = await connection.execute(delete(SUBSCRIPTIONS).where(*mine).returning(SUBSCRIPTIONS))
    return removed.mappings().one_or_none()


async def arrived(connection: AsyncConnection, ids: Sequence[UUID], now: datetime, recently: datetime) -> None:
    """Note that a message has arrived, unless one did a moment ago."""
    await connection.execute(ARRIVED, {"ids": list(ids), "now": now, "recently": recently})


async def disable(connection: AsyncConnection, subscription_id: UUID, token: str, reason: str, now: datetime) -> None:
    """Call this one no more, unless it has subscribed anew meanwhile, by another token (pk_push_subscriptions)."""
    statement = (
        update(SUBSCRIPTIONS)
        .where(
            SUBSCRIPTIONS.c.id == subscription_id, SUBSCRIPTIONS.c.token == token, SUBSCRIPTIONS.c.disabled_at.is_(None)
        )
        .values(disabled_at=now, disabled_reason=reason)
    )
    await connection.execute(statement)
