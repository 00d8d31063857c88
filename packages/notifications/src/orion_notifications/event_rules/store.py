"""Statements on the rules."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.statement import Statement
from orion_core.tables import table_of
from orion_notifications.event_rules.tables import NotificationRule

RULES = table_of(NotificationRule)

# ix_notification_rules_event_type. Ours first, then by name: the order in which their messages are made.
OF_EVENT = Statement(
    select(RULES)
    .where(RULES.c.event_type == bindparam("of"), RULES.c.deleted_at.is_(None))
    .order_by(RULES.c.is_system.desc(), RULES.c.name)
)


async def of_event(connection: AsyncConnection, event_type: str) -> Sequence[Mapping[str, Any]]:
    """The living rules for events of a type, also those that are switched off."""
    return [row._asdict() for row in await OF_EVENT.all(connection, {"of": event_type})]


async def note_failure(connection: AsyncConnection, rule_id: UUID, error: str, now: datetime) -> None:
    """Write down that a rule could not be followed, and why (pk_notification_rules)."""
    values = {"failures": RULES.c.failures + 1, "last_error": error, "last_error_at": now}
    await connection.execute(update(RULES).where(RULES.c.id == rule_id).values(values))


async def page(
    connection: AsyncConnection, event_type: str | None, after: str | None, limit: int
) -> Sequence[RowMapping]:
    """Living rules by name (uq_notification_rules_name)."""
    statement = select(RULES).where(RULES.c.deleted_at.is_(None)).order_by(RULES.c.name).limit(limit)
    if event_type is not None:
        statement = statement.where(RULES.c.event_type == event_type)
    if after is not None:
        statement = statement.where(RULES.c.name > after)
    return (await connection.execute(statement)).mappings().all()


async def find(connection: AsyncConnection, rule_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """A living rule (pk_notification_rules); nobody else changes it until the end, when locked."""
    statement = select(RULES).where(RULES.c.id == rule_id, RULES.c.deleted_at.is_(None))
    if lock:
        statement = statement.with_for_update()
    return (await connection.execute(statement)).mappings().one_or_none()


async def add(connection: AsyncConnection, values: Mapping[str, Any]) -> RowMapping:
    """Insert a rule; a name that is taken breaks uq_notification_rules_name."""
    return (await connection.execute(insert(RULES).values(**values).returning(RULES))).mappings().one()


async def change(connection: AsyncConnection, rule_id: UUID, values: Mapping[str, Any]) -> RowMapping:
    """Change a rule (pk_notification_rules)."""
    statement = update(RULES).where(RULES.c.id == rule_id).values(**values).returning(RULES)
    return (await connection.execute(statement)).mappings().one()
