"""Who belongs to organizations and teams: inviting, accepting, leaving."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError

from orion_contracts.access_events import MembershipChanged
from orion_core.database import Transaction
from orion_core.errors import Problem, invalid_field, not_found
from orion_core.http.authentication import user_id
from orion_user.assignments import actions as assignments
from orion_user.audit.actions import Change
from orion_user.desk import Desk
from orion_user.organizations import rules, store, teams
from orion_user.organizations.actions import living, seen
from orion_user.organizations.rules import LIFETIME
from orion_user.organizations.shapes import MembershipState
from orion_user.places.actions import in_organization

KEPT = ("organization_id", "team_id", "user_id", "status", "email", "expires_at")


async def page(
    desk: Desk, organization_id: UUID, team_id: UUID | None, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Members and open invitations, by those who may see the organization."""
    async with desk.database.autocommit() as connection:
        await seen(desk, connection, organization_id)
        return await store.memberships(connection, organization_id, team_id, after, limit)


async def invite(desk: Desk, organization_id: UUID, email: str) -> MembershipState:
    """Invite an address, whether or not it is a user's; only who has shown that it is his can accept."""
    try:
        async with desk.database.transaction() as transaction:
            connection = transaction.connection
            await living(connection, organization_id)
            await desk.require(connection, "user:create", in_organization(organization_id))
            await store.drop_expired(connection, organization_id, email, desk.now)
            row = await store.insert_membership(
                connection,
                {
                    "organization_id": organization_id,
                    "status": store.INVITED,
                    "email": email,
                    "invited_by": desk.user_id,
                    "invited_at": desk.now,
                    "expires_at": desk.now + LIFETIME,
                },
            )
            await _tell(desk, transaction, row, "INVITED", {})
    except IntegrityError:
        detail = "The address is invited already. Take that invitation back, or wait for its end."
        raise Problem(409, "already_invited", "Already invited", detail) from None
    return MembershipState.of(row)


async def invitations(desk: Desk) -> list[MembershipState]:
    """What the user who is signed in is invited to, once he has shown that his address is his."""
    async with desk.database.autocommit() as connection:
        mine = await store.address(connection, user_id(desk.claims))
        if mine is None or mine["email_verified_at"] is None:
            return []
        return [MembershipState.of(row) for row in await store.invitations(connection, mine["email"], desk.now)]


async def accept(desk: Desk, membership_id: UUID) -> MembershipState:
    """Become a member. 404 for an invitation that is not open, or not of one's own verified address."""
    me = user_id(desk.claims)
    try:
        async with desk.database.transaction() as transaction:
            row = await _own_invitation(desk, transaction, membership_id, me)
            values = {"status": store.ACTIVE, "user_id": me, "joined_at": desk.now}
            after = await store.change_membership(transaction.connection, membership_id, values)
            await _tell(desk, transaction, after, "JOINED", _kept(row))
    except IntegrityError:
        raise Problem(409, "already_member", "Already a member", "You belong to this organization already.") from None
    return MembershipState.of(after)


async def take_back(desk: Desk, membership_id: UUID) -> None:
    """Take an invitation back, or decline one's own."""
    async with desk.database.transaction() as transaction:
        row = await store.find_membership(transaction.connection, membership_id)
        if row is None or row["status"] is not store.INVITED:
            raise not_found("invitation")
        mine = None if desk.person is None else await store.address(transaction.connection, desk.person)
        if mine is None or not _is_addressed(row, mine, desk):
            await desk.require(transaction.connection, "user:create", in_organization(row["organization_id"]))
        values = {"status": store.ENDED, "ended_at": desk.now, "end_reason": "invitation taken back or declined"}
        after = await store.change_membership(transaction.connection, membership_id, values)
        await _tell(desk, transaction, after, "TAKEN_BACK", _kept(row))


async def add_to_team(desk: Desk, team_id: UUID, member_id: UUID) -> MembershipState:
    """Have a member of the organization belong to a team of it."""
    async with desk.database.transaction() as transaction:
        connection = transaction.connection
        team = await teams.require_in(desk, connection, team_id, "user:update")
        organization_id: UUID = team["organization_id"]
        await living(connection, organization_id)
        if await store.membership(connection, organization_id, None, member_id) is None:
            raise invalid_field("/user_id", "no_member", "Only members of the organization belong to its teams.")
        row = await store.membership(connection, organization_id, team_id, member_id)
        if row is None:
            values = {"organization_id": organization_id, "team_id": team_id, "user_id": member_id}
            row = await store.insert_membership(connection, values | {"status": store.ACTIVE, "joined_at": desk.now})
            await _tell(desk, transaction, row, "JOINED", {})
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
        await assignments.stop_in(desk, transaction, member_id, team_id, "left the team")
        await _tell(desk, transaction, after, "LEFT", _kept(row))


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
        await assignments.stop_in(desk, transaction, member_id, organization_id, "left the organization")
        await _tell(desk, transaction, row, "LEFT", _kept(row))


async def _own_invitation(desk: Desk, transaction: Transaction, membership_id: UUID, me: UUID) -> RowMapping:
    row = await store.find_membership(transaction.connection, membership_id)
    mine = await store.address(transaction.connection, me)
    if row is None or mine is None or row["status"] is not store.INVITED:
        raise not_found("invitation")
    if not _is_addressed(row, mine, desk):
        raise not_found("invitation")
    await living(transaction.connection, row["organization_id"])
    return row


def _is_addressed(row: RowMapping, mine: RowMapping, desk: Desk) -> bool:
    return rules.may_accept(row["email"], row["expires_at"], mine["email"], mine["email_verified_at"], desk.now)


def _kept(row: RowMapping) -> dict[str, Any]:
    return {column: row[column] for column in KEPT}


async def _tell(desk: Desk, transaction: Transaction, row: RowMapping, change: str, old: dict[str, Any]) -> None:
    event = MembershipChanged(
        membership_id=row["id"],
        organization_id=row["organization_id"],
        team_id=row["team_id"],
        user_id=row["user_id"],
        email=row["email"],
        change=change,
        expires_at=row["expires_at"],
        changed_at=desk.now,
    )
    new = {} if change in {"LEFT", "TAKEN_BACK"} else _kept(row)
    action = f"membership.{change.lower()}"
    await desk.tell(transaction, event, Change(action, "membership", str(row["id"]), row["user_id"], old, new))
