"""The statements that find a place."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

ORGANIZATION = text("SELECT id FROM organizations WHERE id = :id AND deleted_at IS NULL")

TEAM = text("""
    WITH RECURSIVE above (id, parent_team_id, organization_id) AS (
      SELECT id, parent_team_id, organization_id FROM teams WHERE id = :id AND deleted_at IS NULL
      UNION ALL
      SELECT team.id, team.parent_team_id, team.organization_id
      FROM above JOIN teams AS team ON team.id = above.parent_team_id
    )
    SELECT above.id FROM above
    UNION
    SELECT organizations.id FROM above JOIN organizations ON organizations.id = above.organization_id
    WHERE organizations.deleted_at IS NULL
""")

IN_LIVING_ORGANIZATION = text("""
    SELECT EXISTS (
      SELECT FROM teams AS team JOIN organizations AS organization ON organization.id = team.organization_id
      WHERE team.id = :id AND team.deleted_at IS NULL AND organization.deleted_at IS NULL
    )
""")

USER = text("SELECT id FROM users WHERE id = :id AND deleted_at IS NULL")
HELD_USER = text("SELECT id FROM users WHERE id = :id AND deleted_at IS NULL FOR SHARE")


async def organization(connection: AsyncConnection, organization_id: UUID) -> Sequence[UUID]:
    """The organization alone; nothing when there is no such living one. By pk_organizations."""
    return (await connection.execute(ORGANIZATION, {"id": organization_id})).scalars().all()


async def team(connection: AsyncConnection, team_id: UUID) -> Sequence[UUID]:
    """The team, those above it, and their organization unless that is deleted; nothing when the team is.

    By pk_teams, once for each level.
    """
    return (await connection.execute(TEAM, {"id": team_id})).scalars().all()


async def team_is_there(connection: AsyncConnection, team_id: UUID) -> bool:
    """Whether there is such a team, in an organization that is not deleted. By pk_teams."""
    return (await connection.execute(IN_LIVING_ORGANIZATION, {"id": team_id})).scalar_one()


async def user(connection: AsyncConnection, user_id: UUID) -> Sequence[UUID]:
    """The user alone; nothing when there is no such living one. By pk_users."""
    return (await connection.execute(USER, {"id": user_id})).scalars().all()


async def hold_user(connection: AsyncConnection, user_id: UUID) -> bool:
    """Have a living user stay one until the transaction ends; False for none. By pk_users."""
    return (await connection.execute(HELD_USER, {"id": user_id})).scalar() is not None
