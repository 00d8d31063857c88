"""What can be done with grants."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_user.assignments import store
from orion_user.roles import actions as roles


async def assign_system_role(
    connection: AsyncConnection, user_id: UUID, role: str, starts_at: datetime, *, reason: str
) -> None:
    """Give a user a role that comes with Orion, everywhere and for good; nobody is named as its giver."""
    role_id = await roles.system_role_id(connection, role)
    await store.insert_user_role(connection, user_id, role_id, starts_at, reason)
