"""What giving a role and giving a permission have in common."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.conditions.condition import refuse_invalid
from orion_core.errors import Problem, invalid_field, not_found
from orion_user.access.rules import Place
from orion_user.assignments import rules, store
from orion_user.assignments.shapes import GrantSearch, NewGrant
from orion_user.desk import Desk
from orion_user.permissions.rules import PermissionScope
from orion_user.places import actions as places
from orion_user.violations import broken, told

KEPT = ("user_id", "scope", "scope_id", "condition", "starts_at", "expires_at", "reason", "assigned_by")
"""What the audit trail tells of a grant, besides what was given."""


def refuse_unsound(new: NewGrant, now: datetime) -> None:
    """422 for a grant that ends before it begins, begins in the past, or holds under what is no condition."""
    if (fault := rules.fault_of_period(new.starts_at, new.expires_at, now)) is not None:
        raise invalid_field(fault.field, fault.code, fault.detail)
    if new.condition is not None:
        refuse_invalid(new.condition, "/condition")


async def place_for(connection: AsyncConnection, new: NewGrant) -> Place:
    """Where the grant would hold; 422 when there is no such place, or no such user to give to."""
    place = await places.find(connection, PermissionScope[new.scope], new.scope_id)
    if not await places.is_living_user(connection, new.user_id):
        raise invalid_field("/user_id", "unknown", "There is no user with this id.")
    return place


def refuse_too_wide(permissions: Mapping[str, PermissionScope], place: Place) -> None:
    """422 when one of these may not be given as wide as that; the scope of each is the widest that it may have."""
    if wide := sorted(name for name, widest in permissions.items() if rules.too_wide(widest, place)):
        detail = f"Not to be given as widely as {place.scope.name}: {', '.join(wide)}."
        raise invalid_field("/scope", "too_wide", detail)


async def require_seeing(desk: Desk, connection: AsyncConnection, permission: str, wanted: GrantSearch) -> None:
    """403 unless the caller may see such grants: everybody his own, else who may give them, there or everywhere."""
    if wanted.user_id is None or wanted.user_id != desk.person:
        await desk.require(connection, permission, places.in_organization(wanted.organization_id))


def wanted_of(desk: Desk, wanted: GrantSearch, before: UUID | None) -> store.GrantsWanted:
    """A search as its statement takes it, for one more than wanted."""
    since = None if wanted.include_ended else desk.now
    return store.GrantsWanted(wanted.user_id, wanted.organization_id, since, before, wanted.limit + 1)


def values_of(desk: Desk, new: NewGrant) -> dict[str, Any]:
    """The columns that both tables of grants have."""
    return {
        "user_id": new.user_id,
        "scope": PermissionScope[new.scope],
        "scope_id": new.scope_id,
        "condition": new.condition,
        "starts_at": new.starts_at or desk.now,
        "expires_at": new.expires_at,
        "reason": new.reason,
        "assigned_by": desk.user_id,
    }


def unended(row: RowMapping | None, now: datetime, what: str) -> RowMapping:
    """The row of a grant that can still be ended; 404 for none, 409 for one that is over."""
    if row is None:
        raise not_found(what)
    if rules.is_over(row["expires_at"], now):
        detail = f"It ended at {row['expires_at'].isoformat()}, and stays as history."
        raise Problem(409, "already_ended", "Already ended", detail)
    return row


def event_values(row: RowMapping, by: UUID | None, expires_at: datetime | None) -> dict[str, Any]:
    """What an event tells of a grant."""
    return {
        "user_id": row["user_id"],
        "grant_id": row["id"],
        "scope": row["scope"].name,
        "scope_id": row["scope_id"],
        "conditional": row["condition"] is not None,
        "starts_at": row["starts_at"],
        "expires_at": expires_at,
        "by": by,
    }


def kept(row: RowMapping, *more: str) -> dict[str, Any]:
    """What the audit trail tells of a grant."""
    return {column: row[column] for column in (*KEPT, *more)}


def refusal(error: IntegrityError) -> Problem:
    """What a grant that the database refuses is answered with."""
    match broken(error):
        case "ex_user_roles_overlap" | "ex_user_permissions_overlap":
            detail = "The user has the same in the same place, under the same condition, at some time of it already."
            return Problem(409, "already_given", "Already given", f"{detail} Nothing was changed.")
        case "ck_user_roles_team" | "ck_user_permissions_team":
            return invalid_field("/scope_id", "unknown", "The team has just been deleted. Nothing was changed.")
        case "ck_user_roles_organization":
            detail = "The role belongs to an organization, so it is given in that one or in a team of it."
            return invalid_field("/scope_id", "other_organization", detail)
        case "ck_user_roles_separation":
            return Problem(
                409, "separation_of_duty", "Duties are to be separate", f"{told(error)} Nothing was changed."
            )
        case _:
            raise error
