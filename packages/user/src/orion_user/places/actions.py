"""Finding the place that a scope and an id name."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.errors import invalid_field
from orion_user.access.rules import EVERYWHERE, Place
from orion_user.permissions.rules import PermissionScope
from orion_user.places import store

FIND = {PermissionScope.ORG: store.organization, PermissionScope.TEAM: store.team, PermissionScope.USER: store.user}


async def find(connection: AsyncConnection, scope: PermissionScope, scope_id: UUID | None) -> Place:
    """The place, with all that it lies in. 422 for a scope without its id, an id without scope, or one of nothing."""
    if scope is PermissionScope.GLOBAL:
        if scope_id is not None:
            raise invalid_field("/scope_id", "unexpected", "What holds everywhere (GLOBAL) has no scope_id.")
        return EVERYWHERE
    if scope_id is None:
        raise invalid_field("/scope_id", "missing", f"The scope {scope.name} needs the id of what it is limited to.")
    within = await _living(connection, scope, scope_id)
    if scope_id not in within:
        raise invalid_field("/scope_id", "unknown", f"There is nothing of the scope {scope.name} with this id.")
    return Place(scope, scope_id, frozenset(within))


def in_organization(organization_id: UUID | None) -> Place:
    """The place that an organization is; everywhere, for what belongs to none."""
    if organization_id is None:
        return EVERYWHERE
    return Place(PermissionScope.ORG, organization_id, frozenset({organization_id}))


async def around(connection: AsyncConnection, scope: PermissionScope, scope_id: UUID | None) -> Place:
    """The place of something that is there already, also when it, or what is around it, has been deleted."""
    if scope_id is None:
        return EVERYWHERE
    within = await FIND[scope](connection, scope_id)
    return Place(scope, scope_id, frozenset({scope_id, *within}))


async def is_there(connection: AsyncConnection, scope: PermissionScope, scope_id: UUID | None) -> bool:
    """Whether something can be given there: neither it nor the organization around it has been deleted."""
    return scope_id is None or scope_id in await _living(connection, scope, scope_id)


async def is_living_user(connection: AsyncConnection, user_id: UUID) -> bool:
    """Whether there is such a user, not deleted."""
    return bool(await store.user(connection, user_id))


async def hold_living_user(connection: AsyncConnection, user_id: UUID) -> bool:
    """The same, and he is not deleted or forgotten before the transaction has ended."""
    return await store.hold_user(connection, user_id)


async def _living(connection: AsyncConnection, scope: PermissionScope, scope_id: UUID) -> Sequence[UUID]:
    """All that a place lies in; nothing for one that is deleted, or is a team of an organization that is."""
    if scope is PermissionScope.TEAM and not await store.team_is_there(connection, scope_id):
        return ()
    return await FIND[scope](connection, scope_id)
