"""Every statement on elevations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, Uuid, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_user.elevations.rules import ElevationStatus
from orion_user.elevations.tables import Elevation

ELEVATIONS = table_of(Elevation)

OVER = text("""
    SELECT elevation.id, least(elevation.ends_at, grants.expires_at) AS ended_at
    FROM elevations AS elevation                                                              -- ix_elevations_status_id
    LEFT JOIN user_roles AS grants ON grants.id = elevation.user_role_id                      -- pk_user_roles
    WHERE elevation.status = 'APPROVED'
      AND (elevation.ends_at <= :now OR grants.id IS NULL OR grants.expires_at <= :now)
    ORDER BY elevation.id
    LIMIT :limit
    FOR UPDATE OF elevation SKIP LOCKED
""")

LAPSED = text("""
    SELECT id FROM elevations                                                                 -- ix_elevations_status_id
    WHERE status = 'PENDING' AND lapses_at <= :now
    ORDER BY id LIMIT :limit
    FOR UPDATE SKIP LOCKED
""")


TEAMS_OF = text("SELECT id FROM teams WHERE organization_id = :organization_id")  # ix_teams_organization_id_…


async def insert_elevation(connection: AsyncConnection, values: dict[str, Any]) -> RowMapping:
    """Add a request; uq_elevations_pending refuses the same twice."""
    statement = insert(ELEVATIONS).values(values).returning(ELEVATIONS)
    return (await connection.execute(statement)).mappings().one()


async def find(connection: AsyncConnection, elevation_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """An elevation (primary key); with `lock`, nobody else decides about it meanwhile."""
    statement = select(ELEVATIONS).where(Elevation.id == elevation_id)
    if lock:
        statement = statement.with_for_update()
    return (await connection.execute(statement)).mappings().one_or_none()


async def page(
    connection: AsyncConnection,
    user_id: UUID | None,
    organization_id: UUID | None,
    status: ElevationStatus | None,
    before: UUID | None,
    limit: int,
) -> Sequence[RowMapping]:
    """The latest first. Backwards along ix_elevations_user_id_id, ix_elevations_status_id or the primary key."""
    statement = select(ELEVATIONS)
    if user_id is not None:
        statement = statement.where(Elevation.user_id == user_id)
    if organization_id is not None:
        teams = TEAMS_OF.bindparams(organization_id=organization_id).columns(id=Uuid)
        statement = statement.where(or_(Elevation.scope_id == organization_id, Elevation.scope_id.in_(teams)))
    if status is not None:
        statement = statement.where(Elevation.status == status)
    if before is not None:
        statement = statement.where(Elevation.id < before)
    return (await connection.execute(statement.order_by(Elevation.id.desc()).limit(limit))).mappings().all()


async def change(connection: AsyncConnection, elevation_id: UUID, values: dict[str, Any]) -> RowMapping:
    """Set columns (primary key)."""
    statement = update(ELEVATIONS).where(Elevation.id == elevation_id).values(values).returning(ELEVATIONS)
    return (await connection.execute(statement)).mappings().one()


async def over(connection: AsyncConnection, now: datetime, limit: int) -> Sequence[RowMapping]:
    """Those whose time is over, or whose assignment was ended, and that do not say so yet; locked, others skipped."""
    return (await connection.execute(OVER, {"now": now, "limit": limit})).mappings().all()


async def lapsed(connection: AsyncConnection, now: datetime, limit: int) -> Sequence[UUID]:
    """Those that nobody has decided in time, and that do not say so yet; locked, others skipped."""
    return (await connection.execute(LAPSED, {"now": now, "limit": limit})).scalars().all()
