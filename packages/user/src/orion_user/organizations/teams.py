"""What can be done with the teams of an organization."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.access_events import TeamChanged
from orion_core.database import Transaction
from orion_core.errors import Problem, invalid_field, not_found
from orion_core.http.etags import etag
from orion_core.http.idempotency import NO_CLAIM, Claim
from orion_user.access.rules import Place
from orion_user.assignments import actions as assignments
from orion_user.audit.actions import Change
from orion_user.desk import Desk
from orion_user.organizations import store
from orion_user.organizations.actions import living, seen
from orion_user.organizations.shapes import NewTeam, TeamChanges, TeamState
from orion_user.permissions.rules import PermissionScope
from orion_user.places import actions as places
from orion_user.places.actions import in_organization
from orion_user.violations import broken, told

KEPT = ("name", "slug", "description", "parent_team_id")


async def page(desk: Desk, organization_id: UUID, after: UUID | None, limit: int) -> Sequence[RowMapping]:
    """Teams of an organization, by those who may see it."""
    async with desk.database.autocommit() as connection:
        await seen(desk, connection, organization_id)
        return await store.teams(connection, organization_id, after, limit)


async def read(desk: Desk, team_id: UUID) -> TeamState:
    """A team, by those who may see its organization."""
    async with desk.database.autocommit() as connection:
        row = await found(connection, team_id)
        await seen(desk, connection, row["organization_id"])
        return TeamState.of(row)


async def create(desk: Desk, organization_id: UUID, new: NewTeam, claim: Claim[TeamState] = NO_CLAIM) -> TeamState:
    """Make a team, in another one or not."""
    try:
        async with desk.database.transaction() as transaction:
            await living(transaction.connection, organization_id)
            connection = transaction.connection
            await desk.require(connection, "system:configure", in_organization(organization_id))
            await claim.recall(connection)
            row = await store.insert_team(connection, new.model_dump() | {"organization_id": organization_id})
            await _tell(desk, transaction, row, "CREATED", {}, kept(row))
            made = TeamState.of(row)
            await claim.settle(transaction, made)
    except IntegrityError as error:
        raise _refusal(error) from None
    return made


async def change(desk: Desk, team_id: UUID, changes: TeamChanges, require_match: Callable[[str], None]) -> TeamState:
    """Change what a team is called, or move it. What was given in the team around it holds in it too.

    So whoever moves it holds what was given in the teams that it comes to lie in, or lies in no more (403).
    """
    values: dict[str, Any] = changes.model_dump(exclude_unset=True)
    try:
        async with desk.database.transaction() as transaction:
            before = await _configurable(desk, transaction.connection, team_id)
            require_match(etag(TeamState.of(before)))
            around = await _around(transaction.connection, team_id)
            row = await store.change_team(transaction.connection, team_id, values) if values else before
            if row["parent_team_id"] != before["parent_team_id"]:
                now_around = await _around(transaction.connection, team_id)
                gained, lost = now_around.within - around.within, around.within - now_around.within
                await assignments.require_movable(desk, transaction.connection, around, gained, lost)
                await store.keep_move(transaction.connection, team_id, before["parent_team_id"], desk.now)
            await _tell(desk, transaction, row, "UPDATED", kept(before), kept(row))
    except IntegrityError as error:
        raise _refusal(error) from None
    return TeamState.of(row)


async def remove(desk: Desk, team_id: UUID) -> None:
    """Delete a team with the teams in it, and end what was given in them, which the caller holds himself (403)."""
    async with desk.database.transaction() as transaction:
        connection = transaction.connection
        row = await _configurable(desk, connection, team_id)
        below = await store.below(connection, team_id)
        around = await _around(connection, team_id)
        await assignments.require_movable(desk, connection, around, gained=(), lost=below)
        await assignments.end_in_teams(connection, below, desk.now)
        await store.end_team_memberships(connection, row["organization_id"], below, desk.now, "team deleted")
        for each in await store.put_away(connection, below, desk.now):
            await _tell(desk, transaction, each, "DELETED", kept(each), {})


async def found(connection: AsyncConnection, team_id: UUID) -> RowMapping:
    """The row of a living team; 404 for none."""
    row = await store.find_team(connection, team_id)
    if row is None:
        raise not_found("team")
    return row


def kept(row: RowMapping) -> dict[str, Any]:
    """What the audit trail tells of a team."""
    return {column: row[column] for column in KEPT}


async def _configurable(desk: Desk, connection: AsyncConnection, team_id: UUID) -> RowMapping:
    """By whoever configures the whole organization: a moved team is reached by what is given around it.

    The organization is held, not the team: who gives something in it holds the team, and waits for the organization.
    """
    organization_id = (await found(connection, team_id))["organization_id"]
    await living(connection, organization_id, lock=True)
    await desk.require(connection, "system:configure", in_organization(organization_id))
    return await found(connection, team_id)


async def _around(connection: AsyncConnection, team_id: UUID) -> Place:
    return await places.around(connection, PermissionScope.TEAM, team_id)


async def require_in(desk: Desk, connection: AsyncConnection, team_id: UUID, permission: str) -> RowMapping:
    """The row of a team in which the caller may do that."""
    row = await found(connection, team_id)
    await desk.require(connection, permission, await _around(connection, team_id))
    return row


async def _tell(
    desk: Desk, transaction: Transaction, row: RowMapping, change: str, old: dict[str, Any], new: dict[str, Any]
) -> None:
    event = TeamChanged(team_id=row["id"], organization_id=row["organization_id"], change=change, changed_at=desk.now)
    await desk.tell(transaction, event, Change(f"team.{change.lower()}", "team", str(row["id"]), old=old, new=new))


def _refusal(error: IntegrityError) -> Problem:
    match broken(error):
        # The last two until 0045_team_slugs has run.
        case "uq_teams_slug" | "uq_teams_slug_look" | "uq_teams_organization_id_slug" | "uq_teams_look":
            detail = "Another team of the organization has this slug, or one that looks like it. Nothing was changed."
            return Problem(409, "slug_taken", "Slug taken", detail)
        case "ck_teams_circle" | "ck_teams_parent":
            return Problem(409, "team_circle", "Circle", "A team cannot lie in itself, directly or through others.")
        case "fk_teams_organization_id_parent_team_id":
            return invalid_field("/parent_team_id", "unknown", "The organization has no team with this id.")
        case "ck_teams_separation":
            detail = f"{told(error)} Nothing was changed."
            return Problem(409, "separation_of_duty", "Duties are to be separate", detail)
        case _:
            raise error
