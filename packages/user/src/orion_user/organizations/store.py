"""Every statement on organizations, teams and memberships.

Some look at `users`, and at what these let be seen of themselves in `user_preferences`: a page is one statement.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_user.organizations.tables import (
    Membership,
    MembershipStatus,
    Organization,
    OrganizationAbsence,
    Team,
    TeamMove,
)

ORGANIZATIONS, TEAMS, MEMBERSHIPS = table_of(Organization), table_of(Team), table_of(Membership)
TEAM_MOVES, ABSENCES = table_of(TeamMove), table_of(OrganizationAbsence)
ACTIVE, INVITED, ENDED = MembershipStatus.ACTIVE, MembershipStatus.INVITED, MembershipStatus.ENDED

NO_TOKEN: dict[str, Any] = {"invitation_token": None, "invitation_token_hash": None}
"""Of an invitation that is over: its link is dead."""

VERIFIED = text("""
    SELECT id FROM users
    WHERE email = :email AND deleted_at IS NULL                               -- uq_users_email
      AND email_verified_at IS NOT NULL
""")

_FELLOWS = """
    WITH members AS MATERIALIZED (             -- first, and then who they are: the planner would begin with all users
      SELECT id, organization_id, team_id, user_id, status, joined_at
      FROM memberships
      WHERE organization_id = :organization_id AND team_id {of_team}     -- ix_memberships_organization_id_team_id
        AND status = 'ACTIVE'
        AND id > COALESCE(CAST(:after AS uuid), '00000000-0000-0000-0000-000000000000')
    )
    SELECT members.*, NULL AS email, NULL AS invited_by, NULL AS expires_at
    FROM members
    JOIN users ON users.id = members.user_id                                                        -- pk_users
    LEFT JOIN user_preferences ON user_preferences.user_id = users.id       -- uq_user_preferences_user_id
    WHERE users.id = :reader
      OR users.status = 'ACTIVE' AND COALESCE(user_preferences.privacy ->> 'visibility', :default) <> 'NOBODY'
    ORDER BY members.id
    LIMIT :limit
"""
OF_ORGANIZATION, OF_TEAM = (
    text(_FELLOWS.format(of_team=condition)).columns(status=MEMBERSHIPS.c.status.type)
    for condition in ("IS NULL", "= :team_id")  # one text for both (IS NOT DISTINCT FROM) no index would answer
)

TAKE_EXPIRED = text("""
    UPDATE memberships SET expiry_told_at = :now
    FROM organizations
    WHERE organizations.id = memberships.organization_id
      AND memberships.id IN (
        SELECT id FROM memberships
        WHERE status = 'INVITED' AND expires_at > :since AND expires_at <= :now   -- ix_memberships_expires_at
          AND expiry_told_at IS NULL
        ORDER BY expires_at
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
      )
    RETURNING memberships.*, organizations.name AS organization,
      organizations.deleted_at IS NULL AND EXISTS (
        SELECT FROM users JOIN memberships AS own ON own.user_id = users.id              -- pk_users
        WHERE users.id = memberships.invited_by AND may_come_in(users.status, users.deleted_at)
          AND own.organization_id = memberships.organization_id                            -- uq_memberships_active
          AND own.team_id IS NULL AND own.status = 'ACTIVE'
      ) AS concerns_sender
""")

BELOW = text("""
    WITH RECURSIVE below (id, organization_id) AS (
      SELECT id, organization_id FROM teams WHERE id = :id
      UNION ALL
      SELECT team.id, team.organization_id
      FROM below JOIN teams AS team
        ON team.organization_id = below.organization_id AND team.parent_team_id = below.id
      WHERE team.deleted_at IS NULL
    )
    SELECT id FROM below
""")

ADDRESS = text("SELECT email, email_verified_at FROM users WHERE id = :user_id AND deleted_at IS NULL")


async def insert_organization(connection: AsyncConnection, values: dict[str, Any]) -> RowMapping:
    """Add one. IntegrityError: uq_organizations_slug, fk_organizations_owner_id."""
    return (await connection.execute(insert(ORGANIZATIONS).values(values).returning(ORGANIZATIONS))).mappings().one()


async def find(connection: AsyncConnection, organization_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """An organization, deleted or not (primary key); with `lock`, nobody else changes it meanwhile."""
    statement = select(ORGANIZATIONS).where(Organization.id == organization_id)
    if lock:
        statement = statement.with_for_update()
    return (await connection.execute(statement)).mappings().one_or_none()


async def change(connection: AsyncConnection, organization_id: UUID, values: dict[str, Any]) -> RowMapping:
    """Set columns (primary key). IntegrityError: uq_organizations_slug."""
    statement = update(ORGANIZATIONS).where(Organization.id == organization_id).values(values).returning(ORGANIZATIONS)
    return (await connection.execute(statement)).mappings().one()


async def keep_absence(connection: AsyncConnection, organization_id: UUID, began_at: datetime, now: datetime) -> None:
    """Keep for how long an organization was deleted that is restored now."""
    values = {"organization_id": organization_id, "began_at": began_at, "ended_at": now}
    await connection.execute(insert(ABSENCES).values(values))


async def page(connection: AsyncConnection, after: UUID | None, limit: int) -> Sequence[RowMapping]:
    """Living organizations, in the order they were made (primary key)."""
    statement = select(ORGANIZATIONS).where(Organization.deleted_at.is_(None))
    if after is not None:
        statement = statement.where(Organization.id > after)
    return (await connection.execute(statement.order_by(Organization.id).limit(limit))).mappings().all()


async def of_member(connection: AsyncConnection, user_id: UUID, after: UUID | None, limit: int) -> Sequence[RowMapping]:
    """Living organizations that a user belongs to. By uq_memberships_active."""
    statement = (
        select(ORGANIZATIONS)
        .join(Membership, Membership.organization_id == Organization.id)
        .where(Membership.user_id == user_id, Membership.status == ACTIVE, Membership.team_id.is_(None))
        .where(Organization.deleted_at.is_(None))
    )
    if after is not None:
        statement = statement.where(Organization.id > after)
    return (await connection.execute(statement.order_by(Organization.id).limit(limit))).mappings().all()


async def insert_team(connection: AsyncConnection, values: dict[str, Any]) -> RowMapping:
    """Add one. IntegrityError: uq_teams_slug, uq_teams_slug_look, fk_teams_organization_id_parent_team_id."""
    return (await connection.execute(insert(TEAMS).values(values).returning(TEAMS))).mappings().one()


async def find_team(connection: AsyncConnection, team_id: UUID) -> RowMapping | None:
    """A living team (primary key). Who holds its organization has nobody else change it meanwhile."""
    statement = select(TEAMS).where(Team.id == team_id, Team.deleted_at.is_(None))
    return (await connection.execute(statement)).mappings().one_or_none()


async def change_team(connection: AsyncConnection, team_id: UUID, values: dict[str, Any]) -> RowMapping:
    """Set columns (primary key). IntegrityError as for `insert_team`, and ck_teams_circle, ck_teams_separation."""
    statement = update(TEAMS).where(Team.id == team_id).values(values).returning(TEAMS)
    return (await connection.execute(statement)).mappings().one()


async def keep_move(connection: AsyncConnection, team_id: UUID, parent_team_id: UUID | None, now: datetime) -> None:
    """Keep where a team lay until now."""
    values = {"team_id": team_id, "parent_team_id": parent_team_id, "moved_at": now}
    await connection.execute(insert(TEAM_MOVES).values(values))


async def put_away(connection: AsyncConnection, team_ids: Sequence[UUID], now: datetime) -> Sequence[RowMapping]:
    """Have teams count as deleted from now on (primary key); their rows."""
    statement = update(TEAMS).where(Team.id.in_(team_ids)).values(deleted_at=now).returning(TEAMS)
    return (await connection.execute(statement)).mappings().all()


async def below(connection: AsyncConnection, team_id: UUID) -> Sequence[UUID]:
    """A living team and all that lie in it. By ix_teams_organization_id_parent_team_id, once for each level."""
    return (await connection.execute(BELOW, {"id": team_id})).scalars().all()


async def teams(
    connection: AsyncConnection, organization_id: UUID, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Living teams of an organization, in the order they were made. By uq_teams_organization_id_id."""
    statement = select(TEAMS).where(Team.organization_id == organization_id, Team.deleted_at.is_(None))
    if after is not None:
        statement = statement.where(Team.id > after)
    return (await connection.execute(statement.order_by(Team.id).limit(limit))).mappings().all()


async def address(connection: AsyncConnection, user_id: UUID) -> RowMapping | None:
    """A living user's address, and since when it is known to be his (pk_users)."""
    return (await connection.execute(ADDRESS, {"user_id": user_id})).mappings().one_or_none()


async def insert_membership(connection: AsyncConnection, values: dict[str, Any]) -> RowMapping:
    """Add one. IntegrityError: uq_memberships_active, uq_memberships_invited."""
    return (await connection.execute(insert(MEMBERSHIPS).values(values).returning(MEMBERSHIPS))).mappings().one()


async def find_membership(connection: AsyncConnection, membership_id: UUID) -> RowMapping | None:
    """A membership or an invitation, locked (primary key)."""
    statement = select(MEMBERSHIPS).where(Membership.id == membership_id).with_for_update()
    return (await connection.execute(statement)).mappings().one_or_none()


async def latest_invited(connection: AsyncConnection, organization_id: UUID, email: str) -> datetime | None:
    """When an organization has last invited an address to what is over or was accepted. By ix_memberships_email."""
    statement = select(func.max(Membership.invited_at)).where(
        Membership.organization_id == organization_id,
        Membership.team_id.is_(None),
        Membership.email == email,
        Membership.status != INVITED,
    )
    return (await connection.execute(statement)).scalar_one()


async def find_by_token(connection: AsyncConnection, selector: UUID) -> RowMapping | None:
    """The invitation whose link has this selector, locked (uq_memberships_invitation_token)."""
    statement = select(MEMBERSHIPS).where(Membership.invitation_token == selector).with_for_update()
    return (await connection.execute(statement)).mappings().one_or_none()


async def verified(connection: AsyncConnection, email: str) -> UUID | None:
    """The living user who has shown that this address is his."""
    return (await connection.execute(VERIFIED, {"email": email})).scalar_one_or_none()


async def expired(connection: AsyncConnection, since: datetime, now: datetime, limit: int) -> Sequence[RowMapping]:
    """Invitations that have ended since then and were not told of; they count as told from now on.

    `concerns_sender` while the organization is there and whoever sent it belongs to it and may come in.

    One that is just being accepted or mailed again is left to whoever does it.
    """
    values = {"since": since, "now": now, "limit": limit}
    return (await connection.execute(TAKE_EXPIRED, values)).mappings().all()


async def change_membership(connection: AsyncConnection, membership_id: UUID, values: dict[str, Any]) -> RowMapping:
    """Set columns (primary key). IntegrityError: uq_memberships_active."""
    statement = update(MEMBERSHIPS).where(Membership.id == membership_id).values(values).returning(MEMBERSHIPS)
    return (await connection.execute(statement)).mappings().one()


async def membership(
    connection: AsyncConnection, organization_id: UUID, team_id: UUID | None, user_id: UUID
) -> RowMapping | None:
    """The active membership of a user in an organization, or in one team of it. By uq_memberships_active."""
    statement = select(MEMBERSHIPS).where(
        Membership.organization_id == organization_id,
        Membership.team_id.is_(None) if team_id is None else Membership.team_id == team_id,
        Membership.user_id == user_id,
        Membership.status == ACTIVE,
    )
    return (await connection.execute(statement)).mappings().one_or_none()


async def memberships(
    connection: AsyncConnection, organization_id: UUID, team_id: UUID | None, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Who belongs to an organization or a team, or is invited to. By ix_memberships_organization_id_team_id."""
    statement = select(MEMBERSHIPS).where(
        Membership.organization_id == organization_id,
        Membership.team_id.is_(None) if team_id is None else Membership.team_id == team_id,
        Membership.status != ENDED,
    )
    if after is not None:
        statement = statement.where(Membership.id > after)
    return (await connection.execute(statement.order_by(Membership.id).limit(limit))).mappings().all()


async def fellows(
    connection: AsyncConnection,
    organization_id: UUID,
    team_id: UUID | None,
    reader: tuple[UUID, str],
    after: UUID | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Members as another one may see them: who he is, and what holds of whoever has not chosen who finds him."""
    values = {"organization_id": organization_id, "reader": reader[0], "default": reader[1], "after": after}
    statement = OF_ORGANIZATION if team_id is None else OF_TEAM
    of_team = {} if team_id is None else {"team_id": team_id}
    return (await connection.execute(statement, values | of_team | {"limit": limit})).mappings().all()


async def delete_for_good(connection: AsyncConnection, owner_id: UUID) -> Sequence[UUID]:
    """Remove the deleted organizations of an owner in which nobody else is (ix_organizations_owner_id); their ids."""
    others = select(Membership.id).where(
        Membership.organization_id == Organization.id, Membership.status == ACTIVE, Membership.user_id != owner_id
    )
    statement = delete(ORGANIZATIONS).where(
        Organization.owner_id == owner_id, Organization.deleted_at.is_not(None), ~others.exists()
    )
    return (await connection.execute(statement.returning(Organization.id))).scalars().all()


async def delete_invitations(connection: AsyncConnection, email: str) -> None:
    """Delete the open invitations of an address. By ix_memberships_email."""
    await connection.execute(delete(MEMBERSHIPS).where(Membership.email == email, Membership.status == INVITED))


async def empty_address(connection: AsyncConnection, email: str) -> None:
    """Take an address out of memberships that it was invited to. By ix_memberships_email."""
    statement = update(MEMBERSHIPS).where(Membership.email == email, Membership.status != INVITED)
    await connection.execute(statement.values(email=None))


async def invitations(
    connection: AsyncConnection, email: str, now: datetime, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Open invitations of an address, in the order they were made. By uq_memberships_invited."""
    conditions = [Membership.email == email, Membership.status == INVITED, Membership.expires_at > now]
    if after is not None:
        conditions.append(Membership.id > after)
    statement = select(MEMBERSHIPS).where(*conditions).order_by(Membership.id).limit(limit)
    return (await connection.execute(statement)).mappings().all()


async def addressed(connection: AsyncConnection, email: str) -> Sequence[RowMapping]:
    """Memberships that an address was invited to, and nobody has accepted. By ix_memberships_email."""
    statement = select(MEMBERSHIPS).where(Membership.email == email, Membership.user_id.is_(None))
    return (await connection.execute(statement.order_by(Membership.id))).mappings().all()


async def end_invitations_of(
    connection: AsyncConnection, sender_id: UUID, now: datetime, reason: str
) -> Sequence[RowMapping]:
    """End the open invitations that somebody has sent (ix_memberships_invited_by); their rows."""
    statement = update(MEMBERSHIPS).where(Membership.invited_by == sender_id, Membership.status == INVITED)
    ended = statement.values(status=ENDED, ended_at=now, end_reason=reason, **NO_TOKEN).returning(MEMBERSHIPS)
    return (await connection.execute(ended)).mappings().all()


async def drop_expired(connection: AsyncConnection, organization_id: UUID, email: str, now: datetime) -> None:
    """Delete an invitation that nobody accepted in time, so that another can be sent. By uq_memberships_invited."""
    await connection.execute(
        delete(MEMBERSHIPS).where(
            Membership.organization_id == organization_id,
            Membership.email == email,
            Membership.status == INVITED,
            Membership.expires_at <= now,
        )
    )


async def end_memberships(
    connection: AsyncConnection, organization_id: UUID, user_id: UUID, now: datetime, reason: str
) -> int:
    """End all that a user has in an organization, its teams included. By ix_memberships_organization_id_user_id."""
    statement = (
        update(MEMBERSHIPS)
        .where(
            Membership.organization_id == organization_id, Membership.user_id == user_id, Membership.status == ACTIVE
        )
        .values(status=ENDED, ended_at=now, end_reason=reason)
    )
    return (await connection.execute(statement)).rowcount


async def end_team_memberships(
    connection: AsyncConnection, organization_id: UUID, team_ids: Sequence[UUID], now: datetime, reason: str
) -> None:
    """End all memberships in some teams of an organization. By ix_memberships_organization_id_team_id."""
    statement = update(MEMBERSHIPS).where(
        Membership.organization_id == organization_id, Membership.team_id.in_(team_ids), Membership.status == ACTIVE
    )
    await connection.execute(statement.values(status=ENDED, ended_at=now, end_reason=reason))
