"""The statements behind a user's rights.

They read the tables of roles, permissions and assignments together: what somebody may do is a question to all of them
at one moment, and asking slice by slice would be a statement for each step and an answer out of several moments.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.rights.decisions import Saying
from orion_core.statement import Statement
from orion_user.access.rules import Asked, Grant, HeldRole, Place, Source
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
      WHERE grants.user_id = :user_id AND NOT lies_in_deleted_organization(grants.scope_id)
        AND grants.starts_at <= :now AND (grants.expires_at IS NULL OR :now < grants.expires_at)
      UNION ALL
      SELECT
        grants.scope, grants.scope_id, grants.condition, grants.starts_at, grants.expires_at, grants.reason,
        NULL, NULL, NULL, NULL,
        permission.name, grants.effect, NULL
      FROM user_permissions AS grants                                      -- ix_user_permissions_user_id_permission_id
      JOIN permissions AS permission ON permission.id = grants.permission_id
      WHERE grants.user_id = :user_id AND NOT lies_in_deleted_organization(grants.scope_id)
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

    A role that is not active gives nothing of its own; what it inherits is still inherited through it. What was given
    in an organization that is deleted is left out until it is restored.
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


ROLES_WITH = Statement(
    text("""
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
)
"""By uq_permissions_name, ix_role_permissions_permission_id and ix_role_ancestors_ancestor_id_role_id."""

DECIDE = Statement(
    text("""
    SELECT
      coalesce(held.effect, granted.effect) = 'DENY' AS denies,
      CASE WHEN held.is_conditional THEN (
        SELECT own.condition FROM user_grants AS own                     -- pk_user_grants
        WHERE own.grant_id = held.grant_id
      ) END AS condition,
      granted.condition AS role_condition
    FROM user_grants AS held                                             -- ix_user_grants_user_id, which has it all
    LEFT JOIN LATERAL (
      SELECT granted.effect, granted.condition
      FROM role_rights AS granted                                        -- ix_role_rights_role_id_permission
      WHERE granted.role_id = held.role_id AND granted.permission = :permission AND granted.ended_at IS NULL
      OFFSET 0
    ) AS granted ON true
    WHERE held.user_id = :user_id
      AND held.starts_at <= :now AND (held.expires_at IS NULL OR :now < held.expires_at)
      AND (held.scope_id IS NULL OR held.scope_id = ANY (CAST(:within AS uuid[])))
      AND (granted.effect IS NOT NULL OR held.permission = :permission)
""")
)
"""The decision itself: what allows or denies, and under which conditions; two tables, which triggers keep for it.

OFFSET 0 has each of the user's roles probed; a join might begin with all roles that have the permission. Several
questions in one statement cost half as much again each, so each goes by itself.
"""


async def decide(connection: AsyncConnection, asked: Asked) -> list[Saying]:
    """What speaks of a permission there and then; nothing for a user who may nothing at all."""
    values = {
        "user_id": asked.user_id,
        "permission": asked.permission,
        "now": asked.now,
        "within": list(asked.within),
    }
    return [
        Saying(row.denies, tuple(each for each in (row.condition, row.role_condition) if each is not None))
        for row in await DECIDE.all(connection, values)
    ]


async def sweep(connection: AsyncConnection, ended_before: datetime, limit: int) -> int:
    """Remove grants that ended before that from what decisions read; how many (ix_user_grants_expires_at)."""
    statement = text("SELECT sweep_user_grants(:ended_before, :limit)")
    return (await connection.execute(statement, {"ended_before": ended_before, "limit": limit})).scalar_one()


TOLD_OF = """
    SELECT EXISTS (
      SELECT FROM role_rights AS came                                    -- {index}
      WHERE came.{column} = :id
        AND EXISTS (
          SELECT FROM user_roles AS held WHERE held.role_id = came.role_id         -- ix_user_roles_role_id_user_id
        )
    )
"""
TOLD_OF_ROLE = text(TOLD_OF.format(column="source_role_id", index="ix_role_rights_source_role_id"))
TOLD_OF_PERMISSION = text(TOLD_OF.format(column="permission_id", index="ix_role_rights_permission_id"))


async def is_told_of_role(connection: AsyncConnection, role_id: UUID) -> bool:
    """Whether somebody has, had or will have a role that says, or once said, something by this one."""
    return (await connection.execute(TOLD_OF_ROLE, {"id": role_id})).scalar_one()


async def is_told_of_permission(connection: AsyncConnection, permission_id: UUID) -> bool:
    """Whether somebody has, had or will have a role that says, or once said, something of this permission."""
    return (await connection.execute(TOLD_OF_PERMISSION, {"id": permission_id})).scalar_one()
