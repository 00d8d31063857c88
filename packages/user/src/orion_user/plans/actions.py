"""Trying a change: it is made in a transaction that is always rolled back, and the rights before and after compared."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.claims import AccessClaims
from orion_core.conditions.condition import refuse_invalid
from orion_core.database import Database
from orion_core.errors import Problem, not_found
from orion_user.access import actions as access
from orion_user.access import guard
from orion_user.access.rules import EffectivePermission
from orion_user.access.shapes import PermissionShape
from orion_user.plans import store
from orion_user.plans.rules import difference
from orion_user.plans.shapes import (
    Change,
    GrantEnded,
    PermissionGranted,
    PlanRequest,
    PlanShape,
    RoleActive,
    RoleGranted,
    RoleInherits,
    RoleSays,
    UserDifference,
)
from orion_user.roles import actions as roles
from orion_user.violations import broken, told

MOST_USERS = 100
FIRST = UUID(int=0)

NEEDS = {
    "role_granted": ("role:assign",),
    "permission_granted": ("permission:grant",),
    "grant_ended": ("role:assign", "permission:revoke"),
    "role_says": ("role:update",),
    "role_inherits": ("role:update",),
    "role_active": ("role:update",),
}
"""What making a change needs; trying it tells no less, and needs the same."""


class _RollBackError(Exception):
    """Leaves the transaction of a plan, so that nothing of it stays."""


async def plan(database: Database, claims: AccessClaims, asked: PlanRequest, now: datetime) -> PlanShape:
    """What the changes would give and take; of many users whom they concern a page.

    404 for unknown ids, 409 for changes of a role that comes with Orion, 422 for what the database would refuse.
    """
    changes, after = asked.changes, asked.after or FIRST
    for number, change in enumerate(changes):
        if (condition := getattr(change, "condition", None)) is not None:
            refuse_invalid(condition, f"/changes/{number}/condition")
    found: list[PlanShape] = []
    try:
        async with database.transaction() as transaction:
            for permission in dict.fromkeys(each for change in changes for each in NEEDS[change.kind]):
                await guard.require(transaction.connection, claims, permission, now)
            found.append(await _tried(transaction.connection, changes, after, now))
            raise _RollBackError
    except _RollBackError:
        return found[0]


async def _tried(connection: AsyncConnection, changes: Sequence[Change], after: UUID, now: datetime) -> PlanShape:
    users = await _concerned(connection, changes, after, now)
    looked_at = users[:MOST_USERS]
    there_are_more = len(users) > len(looked_at)
    had = await _rights(connection, looked_at, now)
    for number, change in enumerate(changes):
        await _apply(connection, number, change, now)
    would_have = await _rights(connection, looked_at, now)
    differences = {user_id: difference(had[user_id], would_have[user_id]) for user_id in looked_at}
    return PlanShape(
        looked_at=len(looked_at),
        there_are_more=there_are_more,
        next=looked_at[-1] if there_are_more else None,
        users=[
            UserDifference(
                user_id=user_id,
                given=[PermissionShape.of(each) for each in found.given],
                taken=[PermissionShape.of(each) for each in found.taken],
            )
            for user_id, found in differences.items()
            if not found.is_empty
        ],
    )


async def _concerned(connection: AsyncConnection, changes: Sequence[Change], after: UUID, now: datetime) -> list[UUID]:
    """Users behind one, in order, who have something that is changed: those who are named, and those who have a role
    that is. One more than are looked at, if there are so many.
    """
    named: list[UUID | None] = []
    changed: list[UUID] = []
    for change in changes:
        match change:
            case GrantEnded():
                named.append(await store.owner_of(connection, change.grant_id))
            case RoleGranted() | PermissionGranted():
                named.append(change.user_id)
            case RoleSays() | RoleInherits() | RoleActive():
                changed.append(change.role_id)
    found = await store.holders(connection, changed, now, after, MOST_USERS + 1)
    users = {user_id for user_id in named if user_id is not None and user_id > after}
    return sorted(users | set(found))[: MOST_USERS + 1]


async def _rights(
    connection: AsyncConnection, users: Sequence[UUID], now: datetime
) -> Mapping[UUID, list[EffectivePermission]]:
    return {user_id: (await access.of_user(connection, user_id, now)).permissions for user_id in users}


async def _apply(connection: AsyncConnection, number: int, change: Change, now: datetime) -> None:
    kind = change.kind
    if isinstance(change, RoleSays | RoleInherits | RoleActive):
        await _refuse_protected(connection, number, change.role_id)
    if isinstance(change, RoleInherits) and not change.inherits:
        kind = "role_disinherits"
    values: dict[str, Any] = {**change.model_dump(exclude={"kind", "inherits"}), "now": now}
    try:
        made = await store.apply(connection, kind, values)
    except IntegrityError as error:
        raise _refused(number, error) from None
    if not made:
        raise _unknown(number)


async def _refuse_protected(connection: AsyncConnection, number: int, role_id: UUID) -> None:
    role = await roles.find(connection, role_id)
    if role is None:
        raise _unknown(number)
    roles.refuse_protected(role)


def _unknown(number: int) -> Problem:
    return not_found(f"thing to change (changes/{number})")


WHY = {
    "ex_user_roles_overlap": "the user has the same in the same place already",
    "ex_user_permissions_overlap": "the user has the same in the same place already",
    "ck_user_roles_period": "it would end before it begins",
    "ck_user_permissions_period": "it would end before it begins",
    "ck_role_inheritance_circle": "a role would inherit from itself",
    "ck_role_inheritance_organization": "a role would inherit from one of another organization",
    "ck_user_roles_scope_id": "everywhere has no scope_id, and every other place has one",
    "ck_user_permissions_scope_id": "everywhere has no scope_id, and every other place has one",
    "ck_user_roles_organization": "the role belongs to an organization, and is given in that one or in a team of it",
}
"""What the database's rules mean to whoever breaks one."""
OTHERWISE = "it names what is not there, or does not go together"


def _refused(number: int, error: IntegrityError) -> Problem:
    """A rule of separation itself says which user would have which roles; what others say is for whoever runs this."""
    rule = broken(error)
    why = told(error) if rule.endswith("_separation") else WHY.get(rule, OTHERWISE)
    detail = f"Change {number} would be refused: {why.rstrip('.')}. Nothing was changed."
    return Problem(422, "change_refused", "Not possible", detail)
