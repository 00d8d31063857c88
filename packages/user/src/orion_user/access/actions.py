"""What can be asked about rights."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Database
from orion_core.rights.caller import Caller
from orion_core.rights.decisions import Saying
from orion_user.access import store
from orion_user.access.rules import (
    Asked,
    EffectivePermission,
    HeldRole,
    effective_permissions,
    may_as_much,
    might_be_allowed,
)
from orion_user.refusals import RefusedError


@dataclass(frozen=True)
class Access:
    """The roles that a user has and what they may do, at one moment."""

    roles: list[HeldRole]
    permissions: list[EffectivePermission]


async def of_user(connection: AsyncConnection, user_id: UUID, now: datetime) -> Access:
    """What a user has and may at `now`."""
    roles, grants = await store.held(connection, user_id, now)
    return Access(roles, effective_permissions(grants))


async def require_rank(connection: AsyncConnection, caller: Caller, user_id: UUID, now: datetime) -> None:
    """Refuse (403) to do something to a user who may do more than the caller: nobody topples whoever stands above him.

    Nor to oneself: who shuts himself out by mistake cannot undo it.
    """
    if caller.holds_everything:
        return
    if caller.user_id == user_id:
        detail = "This is your own account; ask another administrator."
        raise RefusedError("own_account", "Not allowed", detail, user_id=user_id)
    own = (await of_user(connection, caller.user_id, now)).permissions if caller.user_id is not None else []
    if not may_as_much(own, (await of_user(connection, user_id, now)).permissions):
        detail = "This user may do what you may not. Ask somebody who may do at least as much."
        raise RefusedError("outranked", "Not allowed", detail, user_id=user_id)


async def is_told_of_role(connection: AsyncConnection, role_id: UUID) -> bool:
    """Whether what somebody may, or once might, comes from a role: without it the past could not be told."""
    return await store.is_told_of_role(connection, role_id)


async def is_told_of_permission(connection: AsyncConnection, permission_id: UUID) -> bool:
    """Whether a role that somebody has, or had, says something of a permission, or once did."""
    return await store.is_told_of_permission(connection, permission_id)


async def sayings(database: Database, asked: Asked) -> list[Saying]:
    """What speaks of a permission there and then."""
    async with database.autocommit() as connection:
        return await store.decide(connection, asked)


async def might(connection: AsyncConnection, asked: Asked) -> bool:
    """Whether a user may do it there and then, under whatever conditions: he is not the one who asks."""
    return might_be_allowed(await store.decide(connection, asked))
