"""What can be done with roles."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.access_events import RoleChanged
from orion_core.database import Transaction
from orion_core.errors import Problem, invalid_field, not_found
from orion_core.http.etags import etag
from orion_core.http.idempotency import NO_CLAIM, Claim
from orion_user.access import actions as access
from orion_user.access.rules import Place
from orion_user.audit.actions import Change
from orion_user.delegation import actions as delegation
from orion_user.desk import Desk
from orion_user.permissions.rules import PermissionScope
from orion_user.places import actions as places
from orion_user.roles import store
from orion_user.roles.rules import bare, skeleton
from orion_user.roles.shapes import NewRole, RoleChanges, RoleDetails, RolePermissionState, RoleReference, plain
from orion_user.roles.tables import RoleType
from orion_user.violations import broken

KEPT = ("name", "display_name", "description", "organization_id", "is_active")
"""What the audit trail tells of a role."""


class MissingRoleError(Exception):
    """A role that comes with Orion is not in the database."""


async def system_role_id(connection: AsyncConnection, name: str) -> UUID:
    """Id of the SYSTEM role of that name; raises `MissingRoleError`."""
    found = await store.system_role_id(connection, name)
    if found is None:
        raise MissingRoleError(f"the role {name!r} is missing; seed this database: orion db seed user")
    return found


async def find(connection: AsyncConnection, role_id: UUID) -> RowMapping | None:
    """The row of a role."""
    return await store.find(connection, role_id)


async def says(connection: AsyncConnection, role_id: UUID) -> Sequence[RowMapping]:
    """What a role and all that it inherits from allow and deny."""
    return await store.all_permissions(connection, role_id)


async def heirs(connection: AsyncConnection, role_id: UUID) -> Sequence[UUID]:
    """A role, and all roles that inherit from it, directly or through others; the role alone when there is none."""
    return await store.heirs(connection, role_id) or [role_id]


async def page(desk: Desk, organization_id: UUID | None, after: str | None, limit: int) -> Sequence[RowMapping]:
    """Roles of an organization, or of none, by name."""
    async with desk.database.autocommit() as connection:
        await desk.require(connection, _reading(organization_id), places.in_organization(organization_id))
        return await store.page(connection, organization_id, after, limit)


async def read(desk: Desk, role_id: UUID) -> RoleDetails:
    """A role with what it says itself; 404 for none."""
    async with desk.database.autocommit() as connection:
        row = await _allowed(desk, connection, role_id)
        return await details(connection, row)


async def permissions(desk: Desk, role_id: UUID) -> Sequence[RowMapping]:
    """What a role says, itself and by what it inherits."""
    async with desk.database.autocommit() as connection:
        await _allowed(desk, connection, role_id)
        return await store.all_permissions(connection, role_id)


async def create(desk: Desk, new: NewRole, claim: Claim[RoleDetails] = NO_CLAIM) -> RoleDetails:
    """Make a role that allows nothing yet; 409 when its name is taken, or looks like one that is."""
    values = {**new.model_dump(), "type": RoleType.CUSTOM, "skeleton": skeleton(new.display_name)}
    try:
        async with desk.database.transaction() as transaction:
            connection = transaction.connection
            await desk.require(connection, "role:create", places.in_organization(new.organization_id))
            await claim.recall(connection)
            if new.organization_id is not None:
                await places.find(connection, PermissionScope.ORG, new.organization_id)
            await _refuse_look(connection, {"display_name": new.display_name, "name": new.name})
            row = await store.insert_role(connection, values)
            await _tell(desk, transaction, row, "CREATED", "role.create", {}, kept(row))
            made = await details(connection, row)
            await claim.settle(transaction, made)
            return made
    except IntegrityError as error:
        raise _refusal(error) from None


async def change(desk: Desk, role_id: UUID, changes: RoleChanges, require_match: Callable[[str], None]) -> RoleDetails:
    """Change what a CUSTOM role is called, or whether it gives anything."""
    values: dict[str, Any] = changes.model_dump(exclude_unset=True)
    if "display_name" in values:
        values["skeleton"] = skeleton(changes.display_name)
    try:
        async with desk.database.transaction() as transaction:
            connection = transaction.connection
            before = await own(desk, connection, role_id, "role:update")
            require_match(etag(await details(connection, before)))
            if values.get("is_active", before["is_active"]) != before["is_active"]:
                await require_all(desk, connection, before, role_id)
            # One that has its name from before the rule is still switched off by whoever sends the name with it.
            if "display_name" in values and changes.display_name != before["display_name"]:
                await _refuse_look(connection, {"display_name": changes.display_name})
            if values:
                await store.change(connection, role_id, values)
            after = await _row(connection, role_id)
            await _tell(desk, transaction, after, "UPDATED", "role.update", kept(before), kept(after))
            return await details(connection, after)
    except IntegrityError as error:
        raise _refusal(error) from None


async def remove(desk: Desk, role_id: UUID) -> None:
    """Delete a CUSTOM role that nobody has, or ever had, itself or by inheritance, and that no other inherits from."""
    try:
        async with desk.database.transaction() as transaction:
            connection = transaction.connection
            row = await own(desk, connection, role_id, "role:delete")
            await require_all(desk, connection, row, role_id)
            if heirs := await store.children(connection, role_id):
                detail = f"These roles inherit from it: {', '.join(heirs[:20])}. Take it out of their parents first."
                raise Problem(409, "role_in_use", "Role in use", detail)
            if await access.is_told_of_role(connection, role_id):
                raise _in_use()
            await store.remove(connection, role_id)
            await _tell(desk, transaction, row, "DELETED", "role.delete", kept(row), {})
    except IntegrityError:
        raise _in_use() from None


async def details(connection: AsyncConnection, row: RowMapping) -> RoleDetails:
    """A role with what it says itself."""
    parents = [RoleReference.model_validate(dict(parent)) for parent in await store.parents(connection, row["id"])]
    said = [RolePermissionState.model_validate(dict(own)) for own in await store.own_permissions(connection, row["id"])]
    return RoleDetails.model_validate({**plain(row), "parents": parents, "permissions": said})


async def own(desk: Desk, connection: AsyncConnection, role_id: UUID, permission: str) -> RowMapping:
    """The row of a role that the caller may change, locked. 404 for none, 409 for one that comes with Orion."""
    row = await _allowed(desk, connection, role_id, permission, lock=True)
    refuse_protected(row)
    return row


def refuse_protected(role: RowMapping) -> None:
    """409 for a role that comes with Orion."""
    if role["type"] is RoleType.SYSTEM:
        detail = f"{role['display_name']} comes with Orion and stays as it is. Make a role that inherits from it."
        raise Problem(409, "system_role", "Protected role", detail)


async def require_all(desk: Desk, connection: AsyncConnection, role: RowMapping, said_by: UUID) -> None:
    """403 unless the caller holds, where `role` is for, everything that the role `said_by` allows or denies."""
    said = await store.all_permissions(connection, said_by)
    await require_held(desk, connection, role, {row["permission"] for row in said})


async def require_held(desk: Desk, connection: AsyncConnection, role: RowMapping, names: set[str]) -> None:
    """403 unless the caller holds these for good where `role` is for: whoever changes a role gives and takes them."""
    await delegation.require(connection, desk.claims, names, desk.now, place_of(role))


def place_of(role: RowMapping) -> Place:
    """Where a role is for."""
    return places.in_organization(role["organization_id"])


def kept(row: RowMapping) -> dict[str, Any]:
    """What the audit trail tells of a role."""
    return {column: row[column] for column in KEPT}


async def tell(
    desk: Desk, transaction: Transaction, row: RowMapping, change: str, old: dict[str, Any], new: dict[str, Any]
) -> None:
    """Tell that a part of a role has changed."""
    await _tell(desk, transaction, row, change, f"role.{change.lower()}", old, new)


async def _tell(
    desk: Desk,
    transaction: Transaction,
    row: RowMapping,
    change: str,
    action: str,
    old: dict[str, Any],
    new: dict[str, Any],
) -> None:
    event = RoleChanged(
        role_id=row["id"],
        name=row["name"],
        organization_id=row["organization_id"],
        change=change,
        changed_at=desk.now,
    )
    await desk.tell(transaction, event, Change(action, "role", str(row["id"]), old=old, new=new))


def _reading(organization_id: UUID | None) -> str:
    """What it takes to see a role. Those of an organization are not for everybody who may see the common ones."""
    return "role:read" if organization_id is None else "role:assign"


async def _allowed(
    desk: Desk, connection: AsyncConnection, role_id: UUID, permission: str | None = None, *, lock: bool = False
) -> RowMapping:
    """The row of a role with which the caller may do that, or which he may see."""
    row = await _row(connection, role_id, lock=lock)
    await desk.require(connection, permission or _reading(row["organization_id"]), place_of(row))
    return row


async def _row(connection: AsyncConnection, role_id: UUID, *, lock: bool = False) -> RowMapping:
    row = await store.find(connection, role_id, lock=lock)
    if row is None:
        raise not_found("role")
    return row


async def _refuse_look(connection: AsyncConnection, names: Mapping[str, str]) -> None:
    """422 for what looks like a role that comes with Orion, in whatever organization: people would trust it so.

    `names` by their fields.
    """
    fields = {bare(name): field for field, name in names.items()}
    for system in await store.system_names(connection):
        for look in {bare(system["name"]), bare(system["display_name"])} & fields.keys():
            detail = f"It looks like {system['display_name']}, which comes with Orion. Choose another name."
            raise invalid_field(f"/{fields[look]}", "looks_like_system_role", detail)


def _in_use() -> Problem:
    detail = (
        "Somebody has the role, had it, inherited from it or asked for it, or a rule keeps it apart. Who could do what "
        "can be told for the past too, so nothing was changed: end its assignments and set is_active to false instead."
    )
    return Problem(409, "role_in_use", "Role in use", detail)


def _refusal(error: IntegrityError) -> Problem:
    match broken(error):
        case "uq_roles_organization_id_name" | "uq_roles_look" | "uq_roles_skeleton":
            detail = (
                "A role has this name or display name already, or one that differs only by case or look-alike "
                "letters. Nothing was changed; choose another."
            )
            return Problem(409, "name_taken", "Name taken", detail)
        case _:
            raise error
