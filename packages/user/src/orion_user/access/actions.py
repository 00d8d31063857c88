"""What can be asked about rights."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_user.access import store
from orion_user.access.rules import EffectivePermission, HeldRole, effective_permissions


@dataclass(frozen=True)
class Access:
    """The roles that a user has and what they may do, at one moment."""

    roles: list[HeldRole]
    permissions: list[EffectivePermission]


async def of_user(connection: AsyncConnection, user_id: UUID, now: datetime) -> Access:
    """What a user has and may at `now`."""
    roles, grants = await store.held(connection, user_id, now)
    return Access(roles, effective_permissions(grants))
