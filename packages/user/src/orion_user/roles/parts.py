"""What roles allow, deny and inherit, and how that is changed."""

from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.conditions.condition import refuse_invalid
from orion_core.errors import Problem, not_found
from orion_user.desk import Desk
from orion_user.permissions import actions as permissions
from orion_user.roles import store
from orion_user.roles.actions import details, own, require_all, require_held, tell
from orion_user.roles.shapes import NewRolePermission, RoleDetails
from orion_user.violations import broken, told


async def set_permission(desk: Desk, role_id: UUID, name: str, new: NewRolePermission) -> RoleDetails:
    """Have a CUSTOM role allow or deny a permission. 403 unless the caller holds it where the role is for."""
    if new.condition is not None:
        refuse_invalid(new.condition, "/condition")
    async with desk.database.transaction() as transaction:
        connection = transaction.connection
        role = await own(desk, connection, role_id, "role:update")
        permission = await permissions.find(connection, name)
        await require_held(desk, connection, role, {name})
        before = await _said(connection, role_id, name)
        await store.set_permission(connection, role_id, permission["id"], new.effect, new.condition)
        await tell(desk, transaction, role, "PERMISSION_SET", before, {"permission": name, **new.model_dump()})
        return await details(connection, role)


async def remove_permission(desk: Desk, role_id: UUID, name: str) -> None:
    """Have a CUSTOM role say nothing of a permission; 404 when it does not."""
    async with desk.database.transaction() as transaction:
        connection = transaction.connection
        role = await own(desk, connection, role_id, "role:update")
        permission = await permissions.find(connection, name)
        await require_held(desk, connection, role, {name})
        before = await _said(connection, role_id, name)
        if not await store.remove_permission(connection, role_id, permission["id"]):
            raise not_found("permission of this role")
        await tell(desk, transaction, role, "PERMISSION_REMOVED", before, {})


async def add_parent(desk: Desk, role_id: UUID, parent_id: UUID) -> RoleDetails:
    """Have a CUSTOM role inherit from another. 403 unless the caller holds all that this one says.

    409 for a circle, which is named, and for a parent of another organization.
    """
    try:
        async with desk.database.transaction() as transaction:
            connection = transaction.connection
            role = await own(desk, connection, role_id, "role:update")
            parent = await _parent(connection, parent_id)
            if parent["organization_id"] not in (None, role["organization_id"]):
                raise _of_another_organization()  # before its permissions are named to whoever does not hold them
            await require_all(desk, connection, role, parent_id)
            if await store.add_parent(connection, role_id, parent_id):
                await tell(desk, transaction, role, "PARENT_ADDED", {}, {"parent": parent["name"]})
            return await details(connection, role)
    except IntegrityError as error:
        raise await _refusal(desk, error, role_id, parent_id) from None


async def remove_parent(desk: Desk, role_id: UUID, parent_id: UUID) -> None:
    """End that a CUSTOM role inherits from another; 404 when it does not."""
    async with desk.database.transaction() as transaction:
        connection = transaction.connection
        role = await own(desk, connection, role_id, "role:update")
        parent = await _parent(connection, parent_id)
        if parent["organization_id"] not in (None, role["organization_id"]):
            raise not_found("parent of this role")
        await require_all(desk, connection, role, parent_id)
        if not await store.remove_parent(connection, role_id, parent_id):
            raise not_found("parent of this role")
        await tell(desk, transaction, role, "PARENT_REMOVED", {"parent": parent["name"]}, {})


async def _parent(connection: AsyncConnection, parent_id: UUID) -> RowMapping:
    row = await store.find(connection, parent_id)
    if row is None:
        raise not_found("role")
    return row


def _of_another_organization() -> Problem:
    detail = "The parent belongs to an organization, so only roles of the same can inherit from it."
    return Problem(409, "other_organization", "Another organization", detail)


async def _said(connection: AsyncConnection, role_id: UUID, name: str) -> dict[str, Any]:
    said = await store.own_permissions(connection, role_id)
    return next((dict(row) for row in said if row["permission"] == name), dict[str, Any]())


async def _refusal(desk: Desk, error: IntegrityError, role_id: UUID, parent_id: UUID) -> Problem:
    match broken(error):
        case "ck_role_inheritance_circle":
            async with desk.database.autocommit() as connection:
                names = await store.path(connection, parent_id, role_id)
            circle = " → ".join([names[-1], *names]) if names else "the role itself"
            detail = f"A role cannot inherit from itself, and it would: {circle}. Nothing was changed."
            return Problem(409, "role_circle", "Circle", detail)
        case "ck_role_inheritance_separation":
            return Problem(
                409, "separation_of_duty", "Duties are to be separate", f"{told(error)} Nothing was changed."
            )
        case "ck_role_inheritance_organization":
            return _of_another_organization()
        case _:
            raise error
