"""The statements behind a user's rights; those of decisions are put together in `statements`.

They read the tables of roles, permissions and assignments together: what somebody may do is a question to all of them
at one moment, and asking slice by slice would be a statement for each step and an answer out of several moments.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.rights.decider import Rights
from orion_core.rights.decisions import Ground, Saying
from orion_core.statement import Statement
from orion_user.access import statements
from orion_user.access.rules import Grant, HeldRole, Place, Source
from orion_user.access.statements import Statements
from orion_user.permissions.rules import PermissionEffect, PermissionScope

HELD = text("""
    WITH held AS (
      SELECT
        grants.scope, grants.scope_id, grants.condition, grants.starts_at, grants.expires_at, grants.reason,
        assigned.name AS through, ancestor.depth, role.name AS role, role.display_name,
        permission.name AS permission, role_permission.effect, role_permission.condition AS permission_condition
      FROM user_roles AS grants                                                        -- ix_user_roles_user_id_role_id
      JOIN roles AS assigned ON assigned.id = grants.role_id AND assigned.is_active
      JOIN role_ancestors AS ancestor ON ancestor.role_id = assigned.id                -- pk_role_ancestors
      JOIN roles AS role ON role.id = ancestor.ancestor_id AND role.is_active
      LEFT JOIN role_permissions AS role_permission ON role_permission.role_id = role.id
      LEFT JOIN permissions AS permission ON permission.id = role_permission.permission_id
      WHERE grants.user_id = :user_id
        AND grants.starts_at <= :now AND (grants.expires_at IS NULL OR :now < grants.expires_at)
      UNION ALL
      SELECT
        grants.scope, grants.scope_id, grants.condition, grants.starts_at, grants.expires_at, grants.reason,
        NULL, NULL, NULL, NULL,
        permission.name, grants.effect, NULL
      FROM user_permissions AS grants                                      -- ix_user_permissions_user_id_permission_id
      JOIN permissions AS permission ON permission.id = grants.permission_id
      WHERE grants.user_id = :user_id
        AND grants.starts_at <= :now AND (grants.expires_at IS NULL OR :now < grants.expires_at)
    )
    SELECT
      held.*,
      CASE held.scope
        WHEN 'GLOBAL' THEN '{}'
        WHEN 'TEAM' THEN (
          WITH RECURSIVE above (id, parent_team_id, organization_id) AS (
            SELECT id, parent_team_id, organization_id FROM teams WHERE id = held.scope_id
            UNION ALL
            SELECT team.id, team.parent_team_id, team.organization_id
            FROM above JOIN teams AS team ON team.id = above.parent_team_id
          )
          SELECT array_agg(id) || (array_agg(organization_id))[1] FROM above
        )
        ELSE ARRAY[held.scope_id]
      END AS within
    FROM held
    ORDER BY held.through, held.depth, held.role, held.scope, held.scope_id, held.starts_at, held.permission
""")


async def held(connection: AsyncConnection, user_id: UUID, now: datetime) -> tuple[list[HeldRole], list[Grant]]:
    """The roles that a user has at `now`, and everything that these and direct permissions allow and deny.

    A role that is not active gives nothing of its own; what it inherits is still inherited through it.
    """
    rows = (await connection.execute(HELD, {"user_id": user_id, "now": now})).all()
    roles = dict.fromkeys(_role(row) for row in rows if row.role is not None)
    return list(roles), [_grant(row) for row in rows if row.permission is not None]


def _place(row: Any) -> Place:
    return Place(PermissionScope[row.scope], row.scope_id, frozenset(row.within))


def _role(row: Any) -> HeldRole:
    return HeldRole(
        name=row.role,
        display_name=row.display_name,
        through=row.through,
        place=_place(row),
        conditional=row.condition is not None,
        starts_at=row.starts_at,
        expires_at=row.expires_at,
        reason=row.reason,
    )


def _grant(row: Any) -> Grant:
    return Grant(
        permission=row.permission,
        effect=PermissionEffect[row.effect],
        place=_place(row),
        conditional=row.condition is not None or row.permission_condition is not None,
        source=Source(row.role, row.through),
    )


async def roles_with(connection: AsyncConnection, permission: str) -> list[str]:
    """Names of the roles of no organization that allow something, the least first, for telling who can be asked.

    By uq_permissions_name, ix_role_permissions_permission_id and ix_role_ancestors_ancestor_id_role_id.
    """
    return list((await connection.execute(ROLES_WITH, {"permission": permission})).scalars())


ROLES_WITH = text("""
    SELECT role.name
    FROM permissions AS permission
    JOIN role_permissions AS allowed ON allowed.permission_id = permission.id AND allowed.effect = 'ALLOW'
    JOIN roles AS source ON source.id = allowed.role_id AND source.is_active
    JOIN role_ancestors AS ancestor ON ancestor.ancestor_id = source.id
    JOIN roles AS role ON role.id = ancestor.role_id AND role.is_active AND role.organization_id IS NULL
    WHERE permission.name = :permission
    GROUP BY role.name
    ORDER BY min(ancestor.depth), role.name
    LIMIT 10
""")


def _of(*, is_past: bool) -> Statements:
    return statements.IN_THE_PAST if is_past else statements.AT_PRESENT


async def decide(
    connection: AsyncConnection,
    user_id: UUID,
    permission: str,
    now: datetime,
    within: Collection[UUID],
    *,
    is_past: bool = False,
) -> list[Saying]:
    """What speaks of a permission here and now; nothing for a user who may nothing at all.

    Of a moment that is over the user's standing is passed over.
    """
    values = {"user_id": user_id, "permission": permission, "now": now, "within": list(within)}
    rows = await _of(is_past=is_past).decide.all(connection, values)
    return [Saying(row.denies, _conditions(row)) for row in rows]


async def all_about(
    connection: AsyncConnection, user_id: UUID, permission: str, at: datetime, *, is_past: bool
) -> list[Ground]:
    """All grants of a permission to a user, of every place and time; of the present also by roles that are not active.

    What roles came to is taken as it was at that moment.
    """
    values = {"user_id": user_id, "permission": permission} | ({"now": at} if is_past else {})
    return await _grounds(connection, _of(is_past=is_past).all_about, **values)


async def anywhere(
    connection: AsyncConnection, user_id: UUID, permission: str, at: datetime, *, is_past: bool
) -> list[Ground]:
    """What speaks of a permission at a moment, in any place."""
    values = {"user_id": user_id, "permission": permission, "now": at}
    return await _grounds(connection, _of(is_past=is_past).anywhere, **values)


async def on_resource(
    connection: AsyncConnection, user_id: UUID, resource: str, at: datetime, within: Collection[UUID], *, is_past: bool
) -> list[Ground]:
    """What speaks of any action on a type of resource in a place at a moment."""
    values = {"user_id": user_id, "resource": resource, "now": at, "within": list(within)}
    return await _grounds(connection, _of(is_past=is_past).actions, **values)


async def of_several(
    connection: AsyncConnection,
    users: Collection[UUID],
    permission: str,
    at: datetime,
    within: Collection[UUID],
    *,
    is_past: bool,
) -> list[Ground]:
    """What speaks of a permission in a place at a moment, for several users, whatever their standing."""
    values = {"users": list(users), "permission": permission, "now": at, "within": list(within)}
    return await _grounds(connection, _of(is_past=is_past).of_several, **values)


async def subjects(
    connection: AsyncConnection,
    permission: str,
    at: datetime,
    within: Collection[UUID],
    after: UUID,
    limit: int,
    *,
    is_past: bool = False,
) -> list[tuple[UUID, bool]]:
    """The next users whom something allows it, perhaps under a condition; and whether they are active now."""
    values = {"permission": permission, "now": at, "within": list(within), "after": after, "limit": limit}
    rows = await connection.execute(_of(is_past=is_past).subjects, values)
    return [(row.user_id, row.is_active) for row in rows]


async def around_team(connection: AsyncConnection, team_id: UUID) -> tuple[frozenset[UUID], UUID | None]:
    """Everything that a team lies in, itself included, and its organization; nothing for one that is not there."""
    rows = (await connection.execute(statements.TEAMS_AROUND, {"team_id": team_id})).all()
    organization: UUID | None = rows[0].organization_id if rows else None
    within: list[UUID] = [row.id for row in rows]
    return frozenset(within if organization is None else [*within, organization]), organization


async def is_active(connection: AsyncConnection, user_id: UUID) -> bool:
    """Whether there is such a user, neither suspended nor deleted."""
    return (await statements.IS_ACTIVE.one(connection, {"user_id": user_id})).is_active


async def path(connection: AsyncConnection, grant_id: UUID, role: str) -> list[str]:
    """Names of roles on the shortest way from the one that a grant assigned to one that it inherits from."""
    return list((await connection.execute(statements.PATH, {"grant_id": grant_id, "role": role})).scalars())


async def _grounds(connection: AsyncConnection, statement: Statement, **values: Any) -> list[Ground]:
    return [_ground(row) for row in await statement.all(connection, values)]


def _conditions(row: Any) -> tuple[str, ...]:
    return tuple(condition for condition in (row.condition, row.role_condition) if condition is not None)


def _ground(row: Any) -> Ground:
    return Ground(
        row.denies,
        _conditions(row),
        row.id,
        row.user_id,
        row.permission,
        row.scope,
        row.scope_id,
        row.role,
        row.through,
        row.starts_at,
        row.expires_at,
        row.assigned_by,
        row.reason,
        row.is_active,
    )


async def rights(connection: AsyncConnection, user_id: UUID, known: str | None, now: datetime) -> Rights | None:
    """All grants of a user that have not ended; None when they are still those of the version `known`."""
    rows = (await connection.execute(statements.RIGHTS, {"user_id": user_id, "known": known, "now": now})).all()
    if rows[0].version == known:
        return None
    grounds: dict[str, tuple[Ground, ...]] = {}
    for row in rows:
        if row.id is not None:
            grounds[row.permission] = (*grounds.get(row.permission, ()), _ground(row))
    return Rights(user_id, rows[0].version, rows[0].is_standing, grounds)


async def places(
    connection: AsyncConnection, kind: str, only: Collection[UUID] | None, after: UUID, limit: int
) -> list[tuple[UUID, frozenset[UUID]]]:
    """The next places of a kind, those that lie in `only` or all, and what each lies in."""
    values = {"only": None if only is None else list(only), "after": after, "limit": limit}
    return [(row.id, frozenset(row.within)) for row in await connection.execute(statements.PLACES[kind], values)]
