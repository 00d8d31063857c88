"""What can be done with organizations."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.access_events import OrganizationChanged
from orion_core.database import Transaction
from orion_core.errors import Problem, invalid_field, not_found
from orion_core.events.outbox import Outbox
from orion_core.http.etags import etag
from orion_core.http.idempotency import NO_CLAIM, Claim
from orion_core.rights.fresh_proof import require_fresh_proof
from orion_user.assignments import actions as assignments
from orion_user.audit import actions as audit
from orion_user.audit.actions import SYSTEM, Change
from orion_user.desk import Desk, Teller
from orion_user.organizations import store, telling
from orion_user.organizations.shapes import MembershipState, NewOrganization, OrganizationChanges, OrganizationState
from orion_user.permissions.rules import PermissionScope
from orion_user.places import actions as places
from orion_user.places.actions import in_organization
from orion_user.roles import actions as roles
from orion_user.violations import broken

OWNERS = "super_admin"
"""The role that an owner has in his organization, and in no other place by that."""

KEPT = ("name", "slug", "description", "owner_id", "deleted_at")


async def create(desk: Desk, new: NewOrganization, claim: Claim[OrganizationState] = NO_CLAIM) -> OrganizationState:
    """Make an organization, whose owner is its first member and may do everything in it."""
    owner_id = new.owner_id or desk.user_id
    if owner_id is None:
        raise invalid_field("/owner_id", "missing", "Name a user as the owner.")
    try:
        async with desk.database.transaction() as transaction:
            connection = transaction.connection
            await desk.require(connection, "system:configure")
            await claim.recall(connection)
            if not await places.hold_living_user(connection, owner_id):
                raise invalid_field("/owner_id", "unknown", "There is no user with this id.")
            row = await store.insert_organization(connection, new.model_dump() | {"owner_id": owner_id})
            member = {"organization_id": row["id"], "user_id": owner_id, "status": store.ACTIVE, "joined_at": desk.now}
            await store.insert_membership(connection, member)
            await _give_ownership(desk, transaction, row["id"], owner_id)
            await tell(desk, transaction, row, "CREATED", {}, kept(row))
            made = OrganizationState.of(row)
            await claim.settle(transaction, made)
    except IntegrityError as error:
        raise refusal(error) from None
    return made


async def read(desk: Desk, organization_id: UUID) -> OrganizationState:
    """An organization, by those who belong to it and those who may see the state of the services."""
    async with desk.database.autocommit() as connection:
        return OrganizationState.of(await seen(desk, connection, organization_id))


async def page(desk: Desk, mine: bool, after: UUID | None, limit: int) -> Sequence[RowMapping]:
    """One's own organizations, or all."""
    async with desk.database.autocommit() as connection:
        if mine and desk.person is not None:
            return await store.of_member(connection, desk.person, after, limit)
        await desk.require(connection, "system:read")
        return await store.page(connection, after, limit)


async def change(
    desk: Desk, organization_id: UUID, changes: OrganizationChanges, require_match: Callable[[str], None]
) -> OrganizationState:
    """Change what an organization is called."""
    values: dict[str, Any] = changes.model_dump(exclude_unset=True)
    try:
        async with desk.database.transaction() as transaction:
            before = await _configurable(desk, transaction.connection, organization_id)
            require_match(etag(OrganizationState.of(before)))
            row = await store.change(transaction.connection, organization_id, values) if values else before
            await tell(desk, transaction, row, "UPDATED", kept(before), kept(row))
    except IntegrityError as error:
        raise refusal(error) from None
    return OrganizationState.of(row)


async def remove(desk: Desk, organization_id: UUID) -> None:
    """Put an organization away. Nothing can be given or changed in it any more; it can be restored."""
    async with desk.database.transaction() as transaction:
        before = await _configurable(desk, transaction.connection, organization_id)
        row = await store.change(transaction.connection, organization_id, {"deleted_at": desk.now})
        await tell(desk, transaction, row, "DELETED", kept(before), kept(row))


async def restore(desk: Desk, organization_id: UUID) -> OrganizationState:
    """Bring a deleted organization back; 409 when its slug has been taken meanwhile."""
    try:
        async with desk.database.transaction() as transaction:
            await desk.require(transaction.connection, "system:configure")
            before = await store.find(transaction.connection, organization_id, lock=True)
            if before is None or before["deleted_at"] is None:
                raise not_found("deleted organization")
            row = await store.change(transaction.connection, organization_id, {"deleted_at": None})
            await store.keep_absence(transaction.connection, organization_id, before["deleted_at"], desk.now)
            await tell(desk, transaction, row, "RESTORED", kept(before), kept(row))
    except IntegrityError as error:
        raise refusal(error) from None
    return OrganizationState.of(row)


async def hand_over(desk: Desk, organization_id: UUID, user_id: UUID) -> OrganizationState:
    """Make a member the owner; the former owner stays a member.

    By the owner, or by whoever configures everything and may himself all that an owner may; a screen left unlocked
    hands nothing over.
    """
    try:
        async with desk.database.transaction() as transaction:
            connection = transaction.connection
            before = await living(connection, organization_id, lock=True)
            if before["owner_id"] != desk.person:
                await desk.require(connection, "system:configure")
                await _require_ownership(desk, connection, organization_id)
            require_fresh_proof(desk.claims, "system:configure", desk.now)
            is_member = await store.membership(connection, organization_id, None, user_id) is not None
            if not is_member or not await places.hold_living_user(connection, user_id):
                raise invalid_field("/user_id", "no_member", "Only a member of the organization can become its owner.")
            if before["owner_id"] != user_id:
                await _take_ownership(desk, transaction, organization_id, before["owner_id"])
                await _give_ownership(desk, transaction, organization_id, user_id)
            row = await store.change(connection, organization_id, {"owner_id": user_id})
            await tell(desk, transaction, row, "HANDED_OVER", kept(before), kept(row))
    except IntegrityError as error:
        raise assignments.refusal(error) from None
    return OrganizationState.of(row)


async def addressed(connection: AsyncConnection, email: str) -> list[MembershipState]:
    """What an address was invited to without its being accepted: open, over, taken back or declined."""
    return [MembershipState.of(row) for row in await store.addressed(connection, email)]


async def forget_address(transaction: Transaction, email: str) -> None:
    """Delete what an address is invited to, and take it out of what is over or was accepted by somebody else."""
    await store.delete_invitations(transaction.connection, email)
    await store.empty_address(transaction.connection, email)


async def forget_owner(transaction: Transaction, owner_id: UUID, now: datetime) -> None:
    """Remove for good what an owner who is forgotten has deleted, where nobody is left who could want it back."""
    for organization_id in await store.delete_for_good(transaction.connection, owner_id):
        change = Change("organization.purged", "organization", str(organization_id))
        await audit.record(transaction, SYSTEM, change, now)


async def forget_sender(transaction: Transaction, outbox: Outbox, sender_id: UUID, now: datetime) -> None:
    """Take back what somebody who is forgotten had invited to: nobody answers for it any more."""
    by = Teller(outbox, SYSTEM, now)
    for row in await store.end_invitations_of(transaction.connection, sender_id, now, "who had invited is gone"):
        await telling.tell(by, transaction, row, "TAKEN_BACK", telling.kept(row) | {"status": store.INVITED})


async def seen(desk: Desk, connection: AsyncConnection, organization_id: UUID) -> RowMapping:
    """The row of a living organization that the caller may see."""
    row = await living(connection, organization_id)
    person = desk.person
    if person is None or await store.membership(connection, organization_id, None, person) is None:
        await desk.require(connection, "system:read", in_organization(organization_id))
    return row


async def living(connection: AsyncConnection, organization_id: UUID, *, lock: bool = False) -> RowMapping:
    """The row of a living organization; 404 for none."""
    row = await store.find(connection, organization_id, lock=lock)
    if row is None or row["deleted_at"] is not None:
        raise not_found("organization")
    return row


async def tell(
    desk: Desk, transaction: Transaction, row: RowMapping, change: str, old: dict[str, Any], new: dict[str, Any]
) -> None:
    """Tell of a change of an organization."""
    event = OrganizationChanged(organization_id=row["id"], slug=row["slug"], change=change, changed_at=desk.now)
    action = f"organization.{change.lower()}"
    await desk.tell(transaction, event, Change(action, "organization", str(row["id"]), old=old, new=new))


def kept(row: RowMapping) -> dict[str, Any]:
    """What the audit trail tells of an organization."""
    return {column: row[column] for column in KEPT}


def refusal(error: IntegrityError) -> Problem:
    """What an organization that the database refuses is answered with."""
    match broken(error):
        case "uq_organizations_slug" | "uq_organizations_look":
            detail = "Another organization has this slug, or one that looks like it. Nothing was changed."
            return Problem(409, "slug_taken", "Slug taken", detail)
        case _:
            return assignments.refusal(error)


async def _configurable(desk: Desk, connection: AsyncConnection, organization_id: UUID) -> RowMapping:
    row = await living(connection, organization_id, lock=True)
    await desk.require(connection, "system:configure", in_organization(organization_id))
    return row


async def _give_ownership(desk: Desk, transaction: Transaction, organization_id: UUID, user_id: UUID) -> None:
    values = {
        "user_id": user_id,
        "role_id": await roles.system_role_id(transaction.connection, OWNERS),
        "scope": PermissionScope.ORG,
        "scope_id": organization_id,
        "starts_at": desk.now,
        "reason": "owner",
        "assigned_by": desk.user_id,
    }
    await assignments.give(desk, transaction, values)


async def _require_ownership(desk: Desk, connection: AsyncConnection, organization_id: UUID) -> None:
    role_id = await roles.system_role_id(connection, OWNERS)
    await assignments.require_held(desk, connection, role_id, in_organization(organization_id))


async def _take_ownership(desk: Desk, transaction: Transaction, organization_id: UUID, user_id: UUID) -> None:
    role_id = await roles.system_role_id(transaction.connection, OWNERS)
    await assignments.stop_in(desk, transaction, user_id, organization_id, role_id, "handed over")
