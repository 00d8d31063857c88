"""Who belongs to organizations and teams: put into teams, leaving."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import RowMapping

from orion_core.errors import Problem, invalid_field, not_found
from orion_user.assignments import actions as assignments
from orion_user.desk import Desk
from orion_user.organizations import store, teams
from orion_user.organizations.actions import living, seen
from orion_user.organizations.shapes import MembershipState
from orion_user.organizations.telling import kept, tell
from orion_user.places.actions import in_organization
from orion_user.preferences.actions import default_visibility


async def page(
    desk: Desk, organization_id: UUID, team_id: UUID | None, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Members and open invitations, by those who invite in the organization or see the state of it.

    Other members see each other, as far as everybody lets himself be seen, and no address.
    """
    here = in_organization(organization_id)
    async with desk.database.autocommit() as connection:
        if await desk.may(connection, "user:create", here) or await desk.may(connection, "system:read", here):
            await living(connection, organization_id)
            return await store.memberships(connection, organization_id, team_id, after, limit)
        await seen(desk, connection, organization_id)
        assert desk.person is not None  # only members get here
        reader = (desk.person, default_visibility())
        return await store.fellows(connection, organization_id, team_id, reader, after, limit)


async def add_to_team(desk: Desk, team_id: UUID, member_id: UUID) -> MembershipState:
    """Have a member of the organization belong to a team of it."""
    async with desk.database.transaction() as transaction:
        connection = transaction.connection
        team = await teams.require_in(desk, connection, team_id, "user:update")
        organization_id: UUID = team["organization_id"]
        await living(connection, organization_id, lock=True)
        await teams.found(connection, team_id)  # which nobody deletes from here on
        if await store.membership(connection, organization_id, None, member_id) is None:
            raise invalid_field("/user_id", "no_member", "Only members of the organization belong to its teams.")
        row = await store.membership(connection, organization_id, team_id, member_id)
        if row is None:
            values = {"organization_id": organization_id, "team_id": team_id, "user_id": member_id}
            row = await store.insert_membership(connection, values | {"status": store.ACTIVE, "joined_at": desk.now})
            await tell(desk, transaction, row, "JOINED", {})
        return MembershipState.of(row)


async def leave_team(desk: Desk, team_id: UUID, member_id: UUID) -> None:
    """End a membership in a team, with what was given in it; one's own, or by whoever may."""
    async with desk.database.transaction() as transaction:
        connection = transaction.connection
        team = await teams.found(connection, team_id)
        if member_id != desk.person:
            await teams.require_in(desk, connection, team_id, "user:update")
        row = await store.membership(connection, team["organization_id"], team_id, member_id)
        if row is None:
            raise not_found("member")
        values = {"status": store.ENDED, "ended_at": desk.now, "end_reason": "left or removed"}
        after = await store.change_membership(connection, row["id"], values)
        await assignments.leave(desk, transaction, member_id, team_id, "left the team")
        await tell(desk, transaction, after, "LEFT", kept(row))


async def leave(desk: Desk, organization_id: UUID, member_id: UUID) -> None:
    """End a membership, those in teams included, with all that was given in the organization. Not the owner's."""
    async with desk.database.transaction() as transaction:
        connection = transaction.connection
        organization = await living(connection, organization_id, lock=True)
        if member_id != desk.person:
            await desk.require(connection, "user:delete", in_organization(organization_id))
        row = await store.membership(connection, organization_id, None, member_id)
        if row is None:
            raise not_found("member")
        if organization["owner_id"] == member_id:
            detail = "The owner stays a member. Hand the organization over first."
            raise Problem(409, "owner_stays", "The owner stays", detail)
        await store.end_memberships(connection, organization_id, member_id, desk.now, "left or removed")
        await assignments.leave(desk, transaction, member_id, organization_id, "left the organization")
        await tell(desk, transaction, row, "LEFT", kept(row))
