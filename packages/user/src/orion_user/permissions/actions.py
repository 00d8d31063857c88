"""What other slices do with permissions."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.errors import invalid_field, not_found
from orion_user.permissions import store


async def find(connection: AsyncConnection, name: str, *, lock: bool = False) -> RowMapping:
    """The row of a permission; 404 for none."""
    row = await store.find(connection, name, lock=lock)
    if row is None:
        raise not_found("permission")
    return row


async def known(connection: AsyncConnection, name: str) -> RowMapping:
    """The row of a permission that a body names; 422 for none."""
    row = await store.find(connection, name)
    if row is None:
        raise invalid_field("/permission", "unknown", "There is no permission of this name.")
    return row


async def page(connection: AsyncConnection, after: str | None, limit: int) -> Sequence[RowMapping]:
    """By name, going on after one."""
    return await store.page(connection, after, limit)


async def insert(connection: AsyncConnection, values: dict[str, Any]) -> RowMapping:
    """Add one; IntegrityError when its name is taken or looks like another's."""
    return await store.insert_permission(connection, values)


async def change(connection: AsyncConnection, permission_id: UUID, values: dict[str, Any]) -> RowMapping:
    """Set columns of one."""
    return await store.change(connection, permission_id, values)


async def remove(connection: AsyncConnection, permission_id: UUID) -> None:
    """Delete one; IntegrityError while a role or a user has, or had, it."""
    await store.remove(connection, permission_id)
