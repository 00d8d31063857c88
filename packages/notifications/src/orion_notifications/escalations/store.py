"""Statements on escalations. Where their messages stand is asked of `notifications` in raw SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_notifications.escalations.tables import Escalation

ESCALATIONS = table_of(Escalation)

# By pk_notifications.
STANDINGS = text("""
SELECT n.id, n.channel::text AS channel, n.status::text AS status, coalesce(n.sent_at, n.cancelled_at) AS sent_at,
  coalesce(n.next_attempt_at, n.updated_at) AS due_at, n.error_code,
  n.seen_at IS NOT NULL OR n.read_at IS NOT NULL AS is_seen
FROM notifications n WHERE n.id = ANY (CAST(:ids AS uuid[]))
""")


async def add(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """A new one."""
    await connection.execute(insert(ESCALATIONS).values(values))


async def due(connection: AsyncConnection, now: datetime) -> RowMapping | None:
    """One that is to be looked at, held until the transaction ends (ix_escalations_next_look_at)."""
    statement = (
        select(ESCALATIONS)
        .where(ESCALATIONS.c.ended_at.is_(None), ESCALATIONS.c.next_look_at <= now)
        .order_by(ESCALATIONS.c.next_look_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return (await connection.execute(statement)).mappings().one_or_none()


async def standings(connection: AsyncConnection, ids: Sequence[UUID]) -> Sequence[RowMapping]:
    """Where its messages stand."""
    return (await connection.execute(STANDINGS, {"ids": list(ids)})).mappings().all()


async def change(connection: AsyncConnection, escalation_id: UUID, values: dict[str, Any]) -> None:
    """Change one (pk_escalations)."""
    await connection.execute(update(ESCALATIONS).where(ESCALATIONS.c.id == escalation_id).values(values))
