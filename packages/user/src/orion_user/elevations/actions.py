"""Asking for a role for a time, deciding about it, and its end."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.access_events import ElevationChanged
from orion_core.database import Transaction
from orion_core.errors import Problem, invalid_field, not_found
from orion_core.http.authentication import user_id
from orion_core.http.idempotency import NO_CLAIM, Claim
from orion_user.access.rules import Place
from orion_user.assignments import actions as assignments
from orion_user.audit.actions import Change
from orion_user.desk import Desk
from orion_user.elevations import rules, store
from orion_user.elevations.rules import WAITS, ElevationStatus
from orion_user.elevations.shapes import Decision, ElevationSearch, ElevationState, NewElevation
from orion_user.permissions.rules import PermissionScope
from orion_user.places import actions as places
from orion_user.refusals import RefusedError
from orion_user.roles import actions as roles
from orion_user.violations import broken

KEPT = ("role_id", "scope", "scope_id", "minutes", "reason", "status", "decided_by", "decision_reason", "ends_at")


async def request(desk: Desk, new: NewElevation, claim: Claim[ElevationState] = NO_CLAIM) -> ElevationState:
    """Ask to have a role for a time. Whether it may be given is for whoever approves."""
    values: dict[str, Any] = new.model_dump() | {
        "user_id": user_id(desk.claims),
        "scope": PermissionScope[new.scope],
        "lapses_at": desk.now + WAITS,
    }
    try:
        async with desk.database.transaction() as transaction:
            await claim.recall(transaction.connection)
            place = await places.find(transaction.connection, values["scope"], new.scope_id)
            await _refuse_foreign(transaction.connection, new.role_id, place)
            row = await store.insert_elevation(transaction.connection, values)
            await tell(desk, transaction, row, "REQUESTED", {})
            made = ElevationState.of(row)
            await claim.settle(transaction, made)
    except IntegrityError as error:
        if broken(error) != "uq_elevations_pending":
            raise
        detail = "You have asked for this already, and nobody has decided. Wait, or take the request back."
        raise Problem(409, "already_requested", "Already requested", detail) from None
    return made


async def read(desk: Desk, elevation_id: UUID) -> ElevationState:
    """One elevation; one's own, or by whoever may decide about it."""
    async with desk.database.autocommit() as connection:
        row = await _row(connection, elevation_id)
        if row["user_id"] != desk.person:
            await _require_decider(desk, connection, row)
        return ElevationState.of(row)


async def search(desk: Desk, wanted: ElevationSearch, before: UUID | None) -> Sequence[RowMapping]:
    """One's own, or those of all or of an organization, the latest first, one more than wanted."""
    status = None if wanted.status is None else ElevationStatus[wanted.status]
    async with desk.database.autocommit() as connection:
        if not wanted.mine:
            await desk.require(connection, "role:assign", places.in_organization(wanted.organization_id))
        mine = user_id(desk.claims) if wanted.mine else None
        return await store.page(connection, mine, wanted.organization_id, status, before, wanted.limit + 1)


async def approve(desk: Desk, elevation_id: UUID, decision: Decision) -> ElevationState:
    """Give the role for the time that was asked for, from now on: not to oneself, and only what one holds.

    409 when whoever asked has been deleted since, or that for which he asked.
    """
    try:
        async with desk.database.transaction() as transaction:
            connection = transaction.connection
            row = await _undecided(desk, connection, elevation_id)
            place = await _require_decider(desk, connection, row)
            await _refuse_gone(connection, row)
            ends_at = desk.now + timedelta(minutes=row["minutes"])
            await assignments.require_giveable(desk, connection, row["role_id"], place, ends_at)
            given = await assignments.give(desk, transaction, _assignment(desk, row) | {"expires_at": ends_at})
            more = {"user_role_id": given["id"], "ends_at": ends_at}
            return await _decide(desk, transaction, row, ElevationStatus.APPROVED, decision, more)
    except IntegrityError as error:
        raise assignments.refusal(error) from None


async def deny(desk: Desk, elevation_id: UUID, decision: Decision) -> ElevationState:
    """Refuse what was asked for."""
    async with desk.database.transaction() as transaction:
        row = await _undecided(desk, transaction.connection, elevation_id)
        await _require_decider(desk, transaction.connection, row)
        return await _decide(desk, transaction, row, ElevationStatus.DENIED, decision, {})


async def give_up(desk: Desk, elevation_id: UUID) -> None:
    """Take a request back, or end an elevation early; one's own, the latter also by whoever may decide about it."""
    async with desk.database.transaction() as transaction:
        connection = transaction.connection
        row = await _row(connection, elevation_id, lock=True)
        if row["user_id"] != desk.person:
            await _require_decider(desk, connection, row)
        if row["status"] is ElevationStatus.PENDING:
            values: dict[str, Any] = {"status": ElevationStatus.CANCELLED}
        elif row["status"] is ElevationStatus.APPROVED:
            await assignments.stop_one(desk, transaction, row["user_role_id"], "elevation given up")
            values = {"status": ElevationStatus.ENDED, "ended_at": desk.now}
        else:
            raise _decided(row)
        after = await store.change(connection, elevation_id, values)
        await tell(desk, transaction, after, after["status"].name, kept(row))


async def tell(desk: Desk, transaction: Transaction, row: RowMapping, change: str, old: dict[str, Any]) -> None:
    """Tell of a step of an elevation."""
    event = ElevationChanged(
        user_id=row["user_id"],
        elevation_id=row["id"],
        role_id=row["role_id"],
        scope=row["scope"].name,
        scope_id=row["scope_id"],
        change=change,
        ends_at=row["ends_at"],
        by=desk.user_id,
        changed_at=desk.now,
    )
    action = f"elevation.{change.lower()}"
    await desk.tell(transaction, event, Change(action, "elevation", str(row["id"]), row["user_id"], old, kept(row)))


def kept(row: RowMapping) -> dict[str, Any]:
    """What the audit trail tells of an elevation."""
    return {column: row[column] for column in KEPT}


async def _decide(
    desk: Desk,
    transaction: Transaction,
    row: RowMapping,
    status: ElevationStatus,
    decision: Decision,
    more: dict[str, Any],
) -> ElevationState:
    values = {
        "status": status,
        "decided_at": desk.now,
        "decided_by": desk.user_id,
        "decision_reason": decision.reason,
        **more,
    }
    after = await store.change(transaction.connection, row["id"], values)
    await tell(desk, transaction, after, status.name, kept(row))
    return ElevationState.of(after)


def _assignment(desk: Desk, row: RowMapping) -> dict[str, Any]:
    return {
        "user_id": row["user_id"],
        "role_id": row["role_id"],
        "scope": row["scope"],
        "scope_id": row["scope_id"],
        "starts_at": desk.now,
        "reason": row["reason"],
        "assigned_by": desk.user_id,
    }


async def _undecided(desk: Desk, connection: AsyncConnection, elevation_id: UUID) -> RowMapping:
    row = await _row(connection, elevation_id, lock=True)
    if rules.is_own(row["user_id"], desk.user_id):
        detail = "Somebody else decides about what you have asked for."
        told = {"elevation_id": str(elevation_id), "role_id": str(row["role_id"])}
        raise RefusedError("own_request", "Your own request", detail, user_id=row["user_id"], told=told)
    if not rules.may_be_decided(row["status"], row["lapses_at"], desk.now):
        raise _decided(row)
    return row


def _decided(row: RowMapping) -> Problem:
    status = "lapsed" if row["status"] is ElevationStatus.PENDING else row["status"].name.lower()
    return Problem(409, "already_decided", "Already decided", f"This elevation is {status}. Nothing was changed.")


async def _require_decider(desk: Desk, connection: AsyncConnection, row: RowMapping) -> Place:
    place = await places.around(connection, row["scope"], row["scope_id"])
    await desk.require(connection, "role:assign", place)
    return place


async def _refuse_gone(connection: AsyncConnection, row: RowMapping) -> None:
    is_living = await places.is_living_user(connection, row["user_id"])
    if is_living and await places.is_there(connection, row["scope"], row["scope_id"]):
        return
    detail = "Who asked for this has been deleted since, or the place it is asked for. Deny it, or restore that first."
    raise Problem(409, "already_gone", "Already gone", f"{detail} Nothing was changed.")


async def _row(connection: AsyncConnection, elevation_id: UUID, *, lock: bool = False) -> RowMapping:
    row = await store.find(connection, elevation_id, lock=lock)
    if row is None:
        raise not_found("elevation")
    return row


async def _refuse_foreign(connection: AsyncConnection, role_id: UUID, place: Place) -> None:
    role = await roles.find(connection, role_id)
    if role is None or not role["is_active"]:
        raise invalid_field("/role_id", "unknown", "There is no role with this id, or it is not active.")
    if role["organization_id"] is not None and role["organization_id"] not in place.within:
        detail = "The role belongs to an organization, so it is given in that one or in a team of it."
        raise invalid_field("/scope_id", "other_organization", detail)
