# ruff: noqa: S608 - the statements are put together from constants of this file
"""Every statement on `user_roles` and `user_permissions`.

The names of roles and permissions are read along, each by its primary key, so that a page of grants is one statement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, Select, TextClause, Uuid, column, delete, insert, or_, select, table, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_user.assignments.tables import UserPermission, UserRole

USER_ROLES = table_of(UserRole)
USER_PERMISSIONS = table_of(UserPermission)

ROLES = table("roles", column("id"), column("name"))
PERMISSIONS = table("permissions", column("id"), column("name"))

ASSIGNMENTS = select(USER_ROLES, ROLES.c.name.label("role")).join(ROLES, ROLES.c.id == UserRole.role_id)
GRANTS = select(USER_PERMISSIONS, PERMISSIONS.c.name.label("permission")).join(
    PERMISSIONS, PERMISSIONS.c.id == UserPermission.permission_id
)


async def insert_user_role(connection: AsyncConnection, values: dict[str, Any]) -> UUID:
    """Give a role; ex_user_roles_overlap refuses it when it is held already at some time of it."""
    return (await connection.execute(insert(USER_ROLES).values(values).returning(UserRole.id))).scalar_one()


async def insert_user_permission(connection: AsyncConnection, values: dict[str, Any]) -> UUID:
    """Allow or deny a permission; ex_user_permissions_overlap refuses it when that is so already."""
    statement = insert(USER_PERMISSIONS).values(values).returning(UserPermission.id)
    return (await connection.execute(statement)).scalar_one()


async def find_role(connection: AsyncConnection, grant_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """A role that was given (primary key); with `lock`, nobody else ends it meanwhile."""
    statement = ASSIGNMENTS.where(UserRole.id == grant_id)
    return await _find(connection, statement.with_for_update(of=USER_ROLES) if lock else statement)


async def find_permission(connection: AsyncConnection, grant_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """A permission that was given (primary key); with `lock`, nobody else ends it meanwhile."""
    statement = GRANTS.where(UserPermission.id == grant_id)
    return await _find(connection, statement.with_for_update(of=USER_PERMISSIONS) if lock else statement)


async def end_role(connection: AsyncConnection, grant_id: UUID, now: datetime) -> None:
    """Have a grant end now (primary key)."""
    await connection.execute(update(USER_ROLES).where(UserRole.id == grant_id).values(expires_at=now))


async def end_permission(connection: AsyncConnection, grant_id: UUID, now: datetime) -> None:
    """Have a grant end now (primary key)."""
    await connection.execute(update(USER_PERMISSIONS).where(UserPermission.id == grant_id).values(expires_at=now))


async def remove_role(connection: AsyncConnection, grant_id: UUID) -> None:
    """Delete a grant that has not begun (primary key)."""
    await connection.execute(delete(USER_ROLES).where(UserRole.id == grant_id))


async def remove_permission(connection: AsyncConnection, grant_id: UUID) -> None:
    """Delete a grant that has not begun (primary key)."""
    await connection.execute(delete(USER_PERMISSIONS).where(UserPermission.id == grant_id))


@dataclass(frozen=True)
class GrantsWanted:
    """Which grants are looked for; all of it has to be met."""

    user_id: UUID | None
    organization_id: UUID | None
    """In it, or in a team of it."""
    since: datetime | None
    """Not ended at that moment."""
    before: UUID | None
    """Earlier ones than this."""
    limit: int


async def roles(
    connection: AsyncConnection, wanted: GrantsWanted, role_ids: Sequence[UUID] | None
) -> Sequence[RowMapping]:
    """Assignments, of one of these roles if any are named, the latest first.

    Of a user by ix_user_roles_user_id_role_id; of an organization by the indexes of its places; else of one role
    backwards along ix_user_roles_role_id_id.
    """
    statement = ASSIGNMENTS
    if role_ids is not None:
        is_wanted = UserRole.role_id == role_ids[0] if len(role_ids) == 1 else UserRole.role_id.in_(role_ids)
        statement = statement.where(is_wanted)
    return await _page(connection, statement, UserRole, wanted)


async def permissions(
    connection: AsyncConnection, wanted: GrantsWanted, permission_id: UUID | None
) -> Sequence[RowMapping]:
    """Grants, of one permission if it is named, the latest first.

    Of a user by ix_user_permissions_user_id_permission_id; of an organization by the indexes of its places; else
    backwards along ix_user_permissions_permission_id_id.
    """
    statement = GRANTS
    if permission_id is not None:
        statement = statement.where(UserPermission.permission_id == permission_id)
    return await _page(connection, statement, UserPermission, wanted)


async def _find(connection: AsyncConnection, statement: Select[*tuple[Any, ...]]) -> RowMapping | None:
    return (await connection.execute(statement)).mappings().one_or_none()


async def _page(
    connection: AsyncConnection,
    statement: Select[*tuple[Any, ...]],
    grant: type[UserRole | UserPermission],
    wanted: GrantsWanted,
) -> Sequence[RowMapping]:
    if wanted.user_id is not None:
        statement = statement.where(grant.user_id == wanted.user_id)
    if wanted.organization_id is not None:
        # Found first, since walking all grants backwards until a page is full may be to the end of them.
        found = OF_ORGANIZATION[grant].bindparams(organization_id=wanted.organization_id).columns(id=Uuid)
        here = found.cte("here").prefix_with("MATERIALIZED")
        statement = statement.where(grant.id.in_(select(here.c.id)))
    if wanted.since is not None:
        statement = statement.where(or_(grant.expires_at.is_(None), grant.expires_at > wanted.since))
    if wanted.before is not None:
        statement = statement.where(grant.id < wanted.before)
    return (await connection.execute(statement.order_by(grant.id.desc()).limit(wanted.limit))).mappings().all()


def _of_organization(table: str) -> TextClause:
    return text(f"""
        SELECT id FROM {table} WHERE scope_organization_id = :organization_id      -- ix_{table}_scope_organization_id
        UNION ALL
        SELECT held.id
        FROM teams JOIN {table} AS held ON held.scope_team_id = teams.id           -- ix_{table}_scope_team_id
        WHERE teams.organization_id = :organization_id                             -- ix_teams_organization_id_…
    """)


OF_ORGANIZATION: dict[type[UserRole | UserPermission], TextClause] = {
    UserRole: _of_organization("user_roles"),
    UserPermission: _of_organization("user_permissions"),
}

IN_ORGANIZATION_OR_TEAM = """
    WITH RECURSIVE below (id) AS (
      SELECT id FROM teams WHERE organization_id = :place_id OR id = :place_id       -- ix_teams_organization_id_parent…
      UNION
      SELECT team.id FROM below JOIN teams AS team ON team.parent_team_id = below.id
    )
    SELECT id FROM {table}
    WHERE user_id = :user_id AND (expires_at IS NULL OR expires_at > :now)           -- ix_{table}_user_id_…
      AND (scope_id = :place_id OR scope_team_id IN (SELECT id FROM below))
"""
ROLES_IN = text(IN_ORGANIZATION_OR_TEAM.format(table="user_roles"))
PERMISSIONS_IN = text(IN_ORGANIZATION_OR_TEAM.format(table="user_permissions"))


async def roles_in(connection: AsyncConnection, user_id: UUID, place_id: UUID, now: datetime) -> Sequence[RowMapping]:
    """Roles that a user has, or will have, in an organization or a team or what lies in it; locked."""
    values = {"user_id": user_id, "place_id": place_id, "now": now}
    ids = (await connection.execute(ROLES_IN, values)).scalars().all()
    statement = ASSIGNMENTS.where(UserRole.id.in_(ids)).order_by(UserRole.id).with_for_update(of=USER_ROLES)
    return (await connection.execute(statement)).mappings().all()


async def permissions_in(
    connection: AsyncConnection, user_id: UUID, place_id: UUID, now: datetime
) -> Sequence[RowMapping]:
    """Permissions that a user was given past all roles in an organization or a team or what lies in it; locked."""
    values = {"user_id": user_id, "place_id": place_id, "now": now}
    ids = (await connection.execute(PERMISSIONS_IN, values)).scalars().all()
    statement = GRANTS.where(UserPermission.id.in_(ids)).order_by(UserPermission.id)
    return (await connection.execute(statement.with_for_update(of=USER_PERMISSIONS))).mappings().all()


GIVEN_IN_TEAMS = text("""
    SELECT
      role_id, NULL AS permission, NULL AS effect,
      NULLIF(max(COALESCE(expires_at, 'infinity')), 'infinity') AS until
    FROM user_roles
    WHERE scope_team_id = ANY (CAST(:team_ids AS uuid[]))                     -- ix_user_roles_scope_team_id
      AND (expires_at IS NULL OR expires_at > :now)
    GROUP BY role_id
    UNION ALL
    SELECT NULL, permissions.name, held.effect::text, NULLIF(max(COALESCE(held.expires_at, 'infinity')), 'infinity')
    FROM user_permissions AS held JOIN permissions ON permissions.id = held.permission_id
    WHERE held.scope_team_id = ANY (CAST(:team_ids AS uuid[]))                -- ix_user_permissions_scope_team_id
      AND (held.expires_at IS NULL OR held.expires_at > :now)
    GROUP BY permissions.name, held.effect
""")


async def given_in_teams(connection: AsyncConnection, team_ids: Sequence[UUID], now: datetime) -> Sequence[RowMapping]:
    """Each role, and each permission with its effect, that somebody has or will have in one of these teams themselves.

    `until`: when the last of these ends; None when one does not.
    """
    return (await connection.execute(GIVEN_IN_TEAMS, {"team_ids": team_ids, "now": now})).mappings().all()


END_IN_TEAMS = """
    WITH taken_back AS (
      DELETE FROM {table}
      WHERE scope_team_id = ANY (CAST(:team_ids AS uuid[])) AND starts_at >= :now       -- ix_{table}_scope_team_id
    )
    UPDATE {table} SET expires_at = :now
    WHERE scope_team_id = ANY (CAST(:team_ids AS uuid[]))                               -- ix_{table}_scope_team_id
      AND starts_at < :now AND (expires_at IS NULL OR expires_at > :now)
"""
END_ROLES_IN_TEAMS = text(END_IN_TEAMS.format(table="user_roles"))
END_PERMISSIONS_IN_TEAMS = text(END_IN_TEAMS.format(table="user_permissions"))


async def end_in_teams(connection: AsyncConnection, team_ids: Sequence[UUID], now: datetime) -> None:
    """Have all that was given in these teams themselves end now, and delete what has not begun."""
    for statement in (END_ROLES_IN_TEAMS, END_PERMISSIONS_IN_TEAMS):
        await connection.execute(statement, {"team_ids": list(team_ids), "now": now})


INSERT_MANY = text("""
    INSERT INTO user_roles (user_id, role_id, starts_at, reason)
    SELECT user_id, :role_id, :starts_at, :reason FROM unnest(CAST(:user_ids AS uuid[])) AS given (user_id)
""")


async def insert_role_of_many(
    connection: AsyncConnection, user_ids: Sequence[UUID], role_id: UUID, starts_at: datetime, reason: str
) -> None:
    """Give many a role everywhere and for good. ex_user_roles_overlap refuses it when one holds it already."""
    values = {"user_ids": list(user_ids), "role_id": role_id, "starts_at": starts_at, "reason": reason}
    await connection.execute(INSERT_MANY, values)
