"""The statements of invitations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.invitations.tables import Invitation

_OPEN = (Invitation.accepted_at.is_(None), Invitation.cancelled_at.is_(None))
_COLUMNS = (Invitation.id, Invitation.user_id, Invitation.email, Invitation.secret_hash, Invitation.expires_at)


async def insert_invitation(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Insert an invitation."""
    await connection.execute(insert(Invitation).values(values))


async def cancel_open(connection: AsyncConnection, user_id: UUID, now: datetime) -> None:
    """Cancel the open invitation of a user, if there is one (uq_invitations_open)."""
    await connection.execute(update(Invitation).where(Invitation.user_id == user_id, *_OPEN).values(cancelled_at=now))


async def cancel(connection: AsyncConnection, invitation_id: UUID, now: datetime) -> bool:
    """Cancel an open invitation (primary key); False when it is not open."""
    statement = update(Invitation).where(Invitation.id == invitation_id, *_OPEN).values(cancelled_at=now)
    return (await connection.execute(statement.returning(Invitation.id))).one_or_none() is not None


async def open_ones(connection: AsyncConnection, before: UUID | None, limit: int, now: datetime) -> Sequence[AnyRow]:
    """Open invitations, those to the latest accounts first (uq_invitations_open)."""
    columns = (Invitation.id, Invitation.user_id, Invitation.email, Invitation.invited_by, Invitation.expires_at)
    statement = select(*columns).where(*_OPEN, Invitation.expires_at > now)
    if before is not None:
        statement = statement.where(Invitation.user_id < before)
    return (await connection.execute(statement.order_by(Invitation.user_id.desc()).limit(limit))).all()


async def find(connection: AsyncConnection, selector: str, now: datetime) -> AnyRow | None:
    """The open invitation of that selector (uq_invitations_selector)."""
    statement = select(*_COLUMNS).where(Invitation.selector == selector, *_OPEN, Invitation.expires_at > now)
    return (await connection.execute(statement)).one_or_none()


async def accept(connection: AsyncConnection, invitation_id: UUID, now: datetime) -> bool:
    """Use an open invitation up (primary key). Of several who try at once, one does."""
    statement = (
        update(Invitation)
        .where(Invitation.id == invitation_id, *_OPEN, Invitation.expires_at > now)
        .values(accepted_at=now)
        .returning(Invitation.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None
