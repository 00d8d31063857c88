"""The statement behind what somebody may hand on.

Like the one in `access/store.py` it reads roles, permissions and assignments together, since the answer is of one
moment.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_user.access.rules import Grant, Place
from orion_user.permissions.rules import PermissionEffect, PermissionScope

THROUGHOUT = text("""
    WITH held AS (
      SELECT
        grants.scope, grants.scope_id, grants.starts_at, grants.expires_at, permission.name, role_permission.effect,
        grants.condition IS NOT NULL OR role_permission.condition IS NOT NULL AS conditional
      FROM user_roles AS grants                                                        -- ix_user_roles_user_id_role_id
      JOIN roles AS assigned ON assigned.id = grants.role_id AND assigned.is_active
      JOIN role_ancestors AS ancestor ON ancestor.role_id = assigned.id                -- pk_role_ancestors
      JOIN roles AS role ON role.id = ancestor.ancestor_id AND role.is_active
      JOIN role_permissions AS role_permission ON role_permission.role_id = role.id
      JOIN permissions AS permission ON permission.id = role_permission.permission_id
      WHERE grants.user_id = :user_id AND permission.name = ANY (:permissions)
      UNION ALL
      SELECT
        grants.scope, grants.scope_id, grants.starts_at, grants.expires_at, permission.name, grants.effect,
        grants.condition IS NOT NULL
      FROM user_permissions AS grants                                      -- ix_user_permissions_user_id_permission_id
      JOIN permissions AS permission ON permission.id = grants.permission_id
      WHERE grants.user_id = :user_id AND permission.name = ANY (:permissions)
    )
    SELECT
      held.name, held.effect, held.scope, held.scope_id, held.conditional,
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
    WHERE CASE held.effect
      WHEN 'ALLOW' THEN
        held.starts_at <= :now AND coalesce(held.expires_at, 'infinity') >= :until
        AND NOT lies_in_deleted_organization(held.scope_id)
      ELSE held.starts_at < :until AND coalesce(held.expires_at, 'infinity') > :now
    END
""")


async def throughout(
    connection: AsyncConnection, user_id: UUID, permissions: Collection[str], now: datetime, until: datetime
) -> list[Grant]:
    """What a user is allowed all the time from `now` until `until`, and denied at any time of it.

    What was allowed in an organization that is deleted is not, and what was denied there may be again at any time.
    """
    values = {"user_id": user_id, "permissions": list(permissions), "now": now, "until": until}
    rows = (await connection.execute(THROUGHOUT, values)).all()
    return [
        Grant(
            permission=row.name,
            effect=PermissionEffect[row.effect],
            place=Place(PermissionScope[row.scope], row.scope_id, frozenset(row.within)),
            conditional=row.conditional,
        )
        for row in rows
    ]
