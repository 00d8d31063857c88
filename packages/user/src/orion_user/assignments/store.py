"""Every statement on `user_roles` and `user_permissions`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_user.assignments.tables import UserRole

USER_ROLES = table_of(UserRole)


async def insert_user_role(
    connection: AsyncConnection, user_id: UUID, role_id: UUID, starts_at: datetime, reason: str
) -> None:
    """Give a role everywhere and for good. ex_user_roles_overlap refuses it when it is held already."""
    await connection.execute(
        insert(USER_ROLES).values(user_id=user_id, role_id=role_id, starts_at=starts_at, reason=reason)
    )
