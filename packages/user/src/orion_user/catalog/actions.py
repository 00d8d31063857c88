"""What can be done with permissions themselves."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError

from orion_contracts.access_events import PermissionChanged
from orion_core.errors import Problem
from orion_core.http.etags import etag
from orion_core.http.idempotency import NO_CLAIM, Claim
from orion_user.access import actions as access
from orion_user.audit.actions import Change
from orion_user.catalog.shapes import NewPermission, PermissionChanges, PermissionState
from orion_user.desk import Desk
from orion_user.permissions import actions as permissions
from orion_user.permissions.rules import PermissionScope

KEPT = ("name", "scope", "category", "description")
"""What the audit trail tells of one."""


async def create(desk: Desk, new: NewPermission, claim: Claim[PermissionState] = NO_CLAIM) -> PermissionState:
    """Make a permission; 409 when its name is taken, or looks like one that is."""
    name = f"{new.resource}:{new.action}"
    values = {**new.model_dump(), "scope": PermissionScope[new.scope], "name": name}
    try:
        async with desk.database.transaction() as transaction:
            await desk.require(transaction.connection, "system:configure")
            await claim.recall(transaction.connection)
            row = await permissions.insert(transaction.connection, values)
            event = PermissionChanged(name=name, change="CREATED", changed_at=desk.now)
            await desk.tell(transaction, event, _change("permission.create", row, new=row))
            made = PermissionState.of(row)
            await claim.settle(transaction, made)
    except IntegrityError:
        detail = f"There is a permission called {name}, or one whose name looks the same. Nothing was changed."
        raise Problem(409, "name_taken", "Name taken", detail) from None
    return made


async def read(desk: Desk, name: str) -> PermissionState:
    """One permission; 404 for none."""
    async with desk.database.autocommit() as connection:
        await desk.require(connection, "permission:read")
        return PermissionState.of(await permissions.find(connection, name))


async def page(desk: Desk, after: str | None, limit: int) -> Sequence[RowMapping]:
    """Permissions by name."""
    async with desk.database.autocommit() as connection:
        await desk.require(connection, "permission:read")
        return await permissions.page(connection, after, limit)


async def change(
    desk: Desk, name: str, changes: PermissionChanges, require_match: Callable[[str], None]
) -> PermissionState:
    """Describe a permission anew. Name and widest scope stay: programs and grants go by them."""
    async with desk.database.transaction() as transaction:
        await desk.require(transaction.connection, "system:configure")
        before = await permissions.find(transaction.connection, name, lock=True)
        require_match(etag(PermissionState.of(before)))
        values: dict[str, Any] = changes.model_dump(exclude_unset=True)
        row = await permissions.change(transaction.connection, before["id"], values) if values else before
        event = PermissionChanged(name=name, change="UPDATED", changed_at=desk.now)
        await desk.tell(transaction, event, _change("permission.update", row, old=before, new=row))
    return PermissionState.of(row)


async def remove(desk: Desk, name: str) -> None:
    """Delete a permission; 409 while a role has it, or a user has or had it, directly or by a role."""
    try:
        async with desk.database.transaction() as transaction:
            await desk.require(transaction.connection, "system:configure")
            row = await permissions.find(transaction.connection, name, lock=True)
            if await access.is_told_of_permission(transaction.connection, row["id"]):
                raise _in_use()
            await permissions.remove(transaction.connection, row["id"])
            event = PermissionChanged(name=name, change="DELETED", changed_at=desk.now)
            await desk.tell(transaction, event, _change("permission.delete", row, old=row))
    except IntegrityError:
        raise _in_use() from None


def _in_use() -> Problem:
    detail = "A role has it, or a user has or had it. Take it out of the roles; what users had stays as history."
    return Problem(409, "permission_in_use", "Permission in use", detail)


def _change(action: str, row: RowMapping, old: RowMapping | None = None, new: RowMapping | None = None) -> Change:
    return Change(action, "permission", row["name"], old=_kept(old), new=_kept(new))


def _kept(row: RowMapping | None) -> dict[str, Any]:
    return {} if row is None else {column: row[column] for column in KEPT}
