"""The statements of e-mail changes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.email_changes.tables import EmailChange

_OPEN = (EmailChange.completed_at.is_(None), EmailChange.cancelled_at.is_(None))


async def insert_change(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Insert a change."""
    await connection.execute(insert(EmailChange).values(values))


async def cancel(connection: AsyncConnection, user_id: UUID, now: datetime) -> bool:
    """Cancel the open change of a user (uq_email_changes_open); False when there is none."""
    statement = update(EmailChange).where(EmailChange.user_id == user_id, *_OPEN).values(cancelled_at=now)
    return (await connection.execute(statement.returning(EmailChange.id))).one_or_none() is not None


async def find(connection: AsyncConnection, selector: str, now: datetime, *, lock: bool = False) -> AnyRow | None:
    """The open change that one end names (uq_email_changes_old_selector, uq_email_changes_new_selector).

    With `lock`, nobody else agrees to it or cancels it until the transaction ends.
    """
    statement = select(EmailChange).where(
        or_(EmailChange.old_selector == selector, EmailChange.new_selector == selector),
        *_OPEN,
        EmailChange.expires_at > now,
    )
    columns = statement.with_only_columns(*EmailChange.__table__.columns)
    return (await connection.execute(columns.with_for_update() if lock else columns)).one_or_none()


async def set_times(connection: AsyncConnection, change_id: UUID, values: dict[str, datetime]) -> None:
    """Note who has agreed and when, or that it is over (primary key)."""
    await connection.execute(update(EmailChange).where(EmailChange.id == change_id).values(values))
