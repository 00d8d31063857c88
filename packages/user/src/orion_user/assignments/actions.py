"""What can be done with roles that are given to users."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.access_events import RoleAssigned, RoleAssignmentEnded
from orion_core.database import Transaction
from orion_core.errors import invalid_field, not_found
from orion_core.http.idempotency import NO_CLAIM, Claim
from orion_user.access.rules import Place
from orion_user.assignments import direct, giving, rules, store
from orion_user.assignments.giving import refusal
from orion_user.assignments.shapes import NewRoleAssignment, RoleAssignmentSearch, RoleAssignmentState
from orion_user.audit.actions import Change
from orion_user.delegation import actions as delegation
from orion_user.desk import Desk
from orion_user.permissions.rules import PermissionEffect, PermissionScope
from orion_user.places import actions as places
from orion_user.roles import actions as roles

WHAT = "assignment of a role"


async def assign_system_role_to_many(
    connection: AsyncConnection, user_ids: Sequence[UUID], role: str, starts_at: datetime, *, reason: str
) -> None:
    """The same for many, none of whom has it."""
    if user_ids:
        role_id = await roles.system_role_id(connection, role)
        await store.insert_role_of_many(connection, user_ids, role_id, starts_at, reason)


async def assign_system_role(
    connection: AsyncConnection, user_id: UUID, role: str, starts_at: datetime, *, reason: str
) -> None:
    """Give a user a role that comes with Orion, everywhere and for good; nobody is named as its giver."""
    role_id = await roles.system_role_id(connection, role)
    values = {"user_id": user_id, "role_id": role_id, "starts_at": starts_at, "reason": reason}
    await store.insert_user_role(connection, values)


async def assign(
    desk: Desk, new: NewRoleAssignment, claim: Claim[RoleAssignmentState] = NO_CLAIM
) -> RoleAssignmentState:
    """Give a user a role. 403 unless the caller holds all that it says, there and until then."""
    giving.refuse_unsound(new, desk.now)
    try:
        async with desk.database.transaction() as transaction:
            place = await giving.place_for(transaction.connection, new)
            await desk.require(transaction.connection, "role:assign", place)
            await claim.recall(transaction.connection)
            await require_giveable(desk, transaction.connection, new.role_id, place, new.expires_at)
            row = await give(desk, transaction, giving.values_of(desk, new) | {"role_id": new.role_id})
            made = RoleAssignmentState.of(row)
            await claim.settle(transaction, made)
    except IntegrityError as error:
        raise refusal(error) from None
    return made


async def require_giveable(
    desk: Desk, connection: AsyncConnection, role_id: UUID, place: Place, until: datetime | None
) -> None:
    """Refuse a role that is not there or not for that place (422), or that says what the caller does not hold (403)."""
    role = await roles.find(connection, role_id)
    if role is None or not role["is_active"]:
        raise invalid_field("/role_id", "unknown", "There is no role with this id, or it is not active.")
    if role["organization_id"] is not None and role["organization_id"] not in place.within:
        detail = "The role belongs to an organization, so it is given in that one or in a team of it."
        raise invalid_field("/scope_id", "other_organization", detail)
    said = await roles.says(connection, role_id)
    allowed = (row for row in said if row["effect"] == PermissionEffect.ALLOW.name)
    giving.refuse_too_wide({row["permission"]: PermissionScope[row["scope"]] for row in allowed}, place)
    await delegation.require(connection, desk.claims, {row["permission"] for row in said}, desk.now, place, until)


async def require_held(desk: Desk, connection: AsyncConnection, role_id: UUID, place: Place) -> None:
    """403 unless the caller holds all that a role says, there and for good."""
    said = await roles.says(connection, role_id)
    await delegation.require(connection, desk.claims, {row["permission"] for row in said}, desk.now, place)


async def give(desk: Desk, transaction: Transaction, values: dict[str, Any]) -> RowMapping:
    """Write an assignment that was found good, and tell of it; IntegrityError as `refusal` reads it."""
    grant_id = await store.insert_user_role(transaction.connection, values)
    row = await _found(transaction.connection, grant_id)
    event = RoleAssigned.model_validate(
        giving.event_values(row, desk.user_id, row["expires_at"]) | {"role_id": row["role_id"], "role": row["role"]}
    )
    new = giving.kept(row, "role")
    await desk.tell(
        transaction, event, Change("role.assign", "role_assignment", str(row["id"]), row["user_id"], new=new)
    )
    return row


async def read(desk: Desk, grant_id: UUID) -> RoleAssignmentState:
    """One assignment; 404 for none. Everybody sees his own."""
    async with desk.database.autocommit() as connection:
        row = await store.find_role(connection, grant_id)
        if row is None:
            raise not_found(WHAT)
        if row["user_id"] != desk.person:
            await desk.require(
                connection, "role:assign", await places.around(connection, row["scope"], row["scope_id"])
            )
        return RoleAssignmentState.of(row)


async def search(desk: Desk, wanted: RoleAssignmentSearch, before: UUID | None) -> Sequence[RowMapping]:
    """Assignments of a user, of a role or in an organization, the latest first, one more than wanted."""
    async with desk.database.autocommit() as connection:
        await giving.require_seeing(desk, connection, "role:assign", wanted)
        role_ids = None if wanted.role_id is None else [wanted.role_id]
        if wanted.role_id is not None and wanted.include_inherited and wanted.user_id is None:
            role_ids = list(await roles.heirs(connection, wanted.role_id))
        return await store.roles(connection, giving.wanted_of(desk, wanted, before), role_ids)


async def end(desk: Desk, grant_id: UUID, reason: str | None) -> None:
    """End an assignment now; one that has not begun is taken back. 403 unless the caller could have given it."""
    async with desk.database.transaction() as transaction:
        connection = transaction.connection
        row = giving.unended(await store.find_role(connection, grant_id, lock=True), desk.now, WHAT)
        await desk.require(connection, "role:assign", await places.around(connection, row["scope"], row["scope_id"]))
        await _require_endable(desk, connection, row, await roles.says(connection, row["role_id"]))
        await stop(desk, transaction, row, reason)


async def stop(desk: Desk, transaction: Transaction, row: RowMapping, reason: str | None) -> None:
    """End an assignment, and tell of it."""
    if row["starts_at"] < desk.now:
        await store.end_role(transaction.connection, row["id"], desk.now)
    else:
        await store.remove_role(transaction.connection, row["id"])
    event = RoleAssignmentEnded.model_validate(
        giving.event_values(row, desk.user_id, desk.now) | {"role_id": row["role_id"], "role": row["role"]}
    )
    old = giving.kept(row, "role")
    new = old | {"expires_at": desk.now, "reason": reason or row["reason"]}
    change = Change("role.unassign", "role_assignment", str(row["id"]), row["user_id"], old=old, new=new)
    await desk.tell(transaction, event, change)


async def stop_one(desk: Desk, transaction: Transaction, grant_id: UUID | None, reason: str) -> None:
    """End an assignment that may be over already, or gone. 403 for another's that the caller could not end."""
    connection = transaction.connection
    row = None if grant_id is None else await store.find_role(connection, grant_id, lock=True)
    if row is None or rules.is_over(row["expires_at"], desk.now):
        return
    if row["user_id"] != desk.person:
        await _require_endable(desk, connection, row, await roles.says(connection, row["role_id"]))
    await stop(desk, transaction, row, reason)


async def stop_in(
    desk: Desk, transaction: Transaction, user_id: UUID, place_id: UUID, role_id: UUID, reason: str
) -> None:
    """End a role that a user was given in an organization or a team, and in the teams below it."""
    for row in await store.roles_in(transaction.connection, user_id, place_id, desk.now):
        if row["role_id"] == role_id:
            await stop(desk, transaction, row, reason)


async def leave(desk: Desk, transaction: Transaction, user_id: UUID, place_id: UUID, reason: str) -> None:
    """End what allows a user something in an organization or a team, or in the teams below it: he has left it.

    What only denies stays, or somebody would get by leaving what he was denied. 403 for what the caller could not end:
    of what is another's all that he does not hold himself, of what is his own a role that denies something too.
    """
    connection, is_own = transaction.connection, user_id == desk.person
    for row in await store.roles_in(connection, user_id, place_id, desk.now):
        said = await roles.says(connection, row["role_id"])
        if rules.only_denies(each["effect"] for each in said):
            continue
        checked = [each for each in said if not is_own or each["effect"] == PermissionEffect.DENY.name]
        await _require_endable(desk, connection, row, checked)
        await stop(desk, transaction, row, reason)
    for row in await store.permissions_in(connection, user_id, place_id, desk.now):
        if row["effect"] is PermissionEffect.DENY:
            continue
        if not is_own:
            await _require_endable(desk, connection, row, [{"permission": row["permission"], "effect": "ALLOW"}])
        await direct.stop(desk, transaction, row, reason)


async def require_movable(
    desk: Desk, connection: AsyncConnection, team: Place, gained: Collection[UUID], lost: Collection[UUID]
) -> None:
    """403 unless the caller holds, in all of a team, what was given in the teams that it comes to lie in, or that it
    lies in no more: moving it gives and takes as giving and ending does.
    """
    wanted = rules.held_for_move(
        await _said_in(connection, gained, desk.now), await _said_in(connection, lost, desk.now), desk.now
    )
    for until, names in wanted.items():
        await delegation.require(connection, desk.claims, names, desk.now, team, until)


async def end_in_teams(connection: AsyncConnection, team_ids: Sequence[UUID], now: datetime) -> None:
    """End what was given in teams that are deleted; what has not begun is taken back. The end of each team tells it."""
    await store.end_in_teams(connection, team_ids, now)


async def _said_in(connection: AsyncConnection, team_ids: Collection[UUID], now: datetime) -> list[rules.Said]:
    if not team_ids:
        return []
    found: list[rules.Said] = []
    for row in await store.given_in_teams(connection, list(team_ids), now):
        said = [row] if row["role_id"] is None else await roles.says(connection, row["role_id"])
        found += [rules.Said(each["permission"], each["effect"], row["until"]) for each in said]
    return found


async def _require_endable(
    desk: Desk, connection: AsyncConnection, row: RowMapping, said: Iterable[Mapping[Any, Any]]
) -> None:
    """403 unless the caller holds what a grant says: to take it from somebody now, or to lift a denial to its end."""
    said = list(said)
    place = await places.around(connection, row["scope"], row["scope_id"])
    until = rules.held_until((each["effect"] for each in said), row["expires_at"], desk.now)
    names = {each["permission"] for each in said}
    await delegation.require(connection, desk.claims, names, desk.now, place, until)


async def _found(connection: AsyncConnection, grant_id: UUID) -> RowMapping:
    row = await store.find_role(connection, grant_id)
    assert row is not None
    return row
