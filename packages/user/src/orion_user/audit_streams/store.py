"""Every statement on `audit_streams`, which has a handful of rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_user.audit_streams.tables import AuditStream

STREAMS = table_of(AuditStream)
C = STREAMS.c


async def list_all(connection: AsyncConnection) -> Sequence[RowMapping]:
    """All streams by name."""
    return (await connection.execute(select(STREAMS).order_by(C.name))).mappings().all()


async def find(connection: AsyncConnection, stream_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """One stream, held against other changes if asked. By pk_audit_streams."""
    statement = select(STREAMS).where(C.id == stream_id)
    found = await connection.execute(statement.with_for_update() if lock else statement)
    return found.mappings().one_or_none()


async def insert_stream(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Add a stream; IntegrityError when the name is taken (uq_audit_streams_name)."""
    await connection.execute(insert(STREAMS).values(**values))


async def change(connection: AsyncConnection, stream_id: UUID, values: dict[str, Any]) -> None:
    """Change a stream. By pk_audit_streams."""
    await connection.execute(update(STREAMS).where(C.id == stream_id).values(**values))


async def remove(connection: AsyncConnection, stream_id: UUID) -> None:
    """Delete a stream. By pk_audit_streams."""
    await connection.execute(delete(STREAMS).where(C.id == stream_id))


async def lease(connection: AsyncConnection, head: int, now: datetime, until: datetime) -> RowMapping | None:
    """A stream that something is to be delivered of and that nobody delivers, for whoever asks; None: there is none."""
    due = (
        select(C.id)
        .where(
            C.is_enabled,
            C.position < head,
            or_(C.leased_until.is_(None), C.leased_until <= now),
            or_(C.next_attempt_at.is_(None), C.next_attempt_at <= now),
        )
        .order_by(C.delivered_at.nulls_first())
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    statement = update(STREAMS).where(C.id == due.scalar_subquery()).values(leased_until=until).returning(STREAMS)
    return (await connection.execute(statement)).mappings().one_or_none()


async def advance(connection: AsyncConnection, row: RowMapping, place: tuple[int, int], values: dict[str, Any]) -> bool:
    """Note what has arrived; False when the lease was lost and somebody else has gone on. By pk_audit_streams."""
    position, arrived = place
    statement = (
        update(STREAMS)
        .where(C.id == row["id"], C.leased_until == row["leased_until"], C.position == position, C.arrived == arrived)
        .values(**values)
        .returning(C.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def release(connection: AsyncConnection, row: RowMapping, values: dict[str, Any]) -> None:
    """Give the lease back. By pk_audit_streams."""
    statement = update(STREAMS).where(C.id == row["id"], C.leased_until == row["leased_until"])
    await connection.execute(statement.values(leased_until=None, **values))
