"""Every statement on `permissions`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_user.permissions.tables import Permission

PERMISSIONS = table_of(Permission)


async def insert_permission(connection: AsyncConnection, values: dict[str, Any]) -> RowMapping:
    """Add one. IntegrityError: uq_permissions_name, or uq_permissions_look for a name that looks like another's."""
    statement = insert(PERMISSIONS).values(values).returning(PERMISSIONS)
    return (await connection.execute(statement)).mappings().one()


async def find(connection: AsyncConnection, name: str, *, lock: bool = False) -> RowMapping | None:
    """The permission of that name (uq_permissions_name); with `lock`, nobody else changes it meanwhile."""
    statement = select(PERMISSIONS).where(Permission.name == name)
    if lock:
        statement = statement.with_for_update()
    return (await connection.execute(statement)).mappings().one_or_none()


async def page(connection: AsyncConnection, after: str | None, limit: int) -> Sequence[RowMapping]:
    """By name, going on after one. Along uq_permissions_name."""
    statement = select(PERMISSIONS)
    if after is not None:
        statement = statement.where(Permission.name > after)
    return (await connection.execute(statement.order_by(Permission.name).limit(limit))).mappings().all()


async def change(connection: AsyncConnection, permission_id: UUID, values: dict[str, Any]) -> RowMapping:
    """Set columns (primary key)."""
    statement = update(PERMISSIONS).where(Permission.id == permission_id).values(values).returning(PERMISSIONS)
    return (await connection.execute(statement)).mappings().one()


async def remove(connection: AsyncConnection, permission_id: UUID) -> None:
    """Delete one (primary key). IntegrityError while a role or a user has, or had, it."""
    await connection.execute(delete(PERMISSIONS).where(Permission.id == permission_id))
