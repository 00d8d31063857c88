"""Every statement of plans; what they change is rolled back.

They change the tables of roles and assignments as those slices do, and are kept here since they belong to nothing that
stays: no event, no audit trail, no version.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

CHANGES = {
    "role_granted": text("""
        INSERT INTO user_roles (user_id, role_id, scope, scope_id, condition, starts_at, expires_at)
        VALUES (:user_id, :role_id, CAST(:scope AS permission_scope), :scope_id, :condition, :now, :expires_at)
        RETURNING user_id
    """),
    "permission_granted": text("""
        INSERT INTO user_permissions (user_id, permission_id, effect, scope, scope_id, condition, starts_at, expires_at)
        SELECT
          :user_id, id, CAST(:effect AS permission_effect), CAST(:scope AS permission_scope), :scope_id,
          :condition, :now, :expires_at
        FROM permissions WHERE name = :permission                        -- uq_permissions_name
        RETURNING user_id
    """),
    "grant_ended": text("""
        WITH of_role AS (
          DELETE FROM user_roles WHERE id = :grant_id RETURNING user_id  -- pk_user_roles
        ), direct AS (
          DELETE FROM user_permissions WHERE id = :grant_id RETURNING user_id  -- pk_user_permissions
        )
        SELECT user_id FROM of_role UNION ALL SELECT user_id FROM direct
    """),
    "role_says": text("""
        WITH permission AS (
          SELECT id FROM permissions WHERE name = :permission            -- uq_permissions_name
        ), unsaid AS (
          DELETE FROM role_permissions                                   -- uq_role_permissions_role_id_permission_id
          WHERE role_id = :role_id AND permission_id IN (SELECT id FROM permission) AND CAST(:effect AS text) IS NULL
        ), said AS (
          INSERT INTO role_permissions (role_id, permission_id, effect, condition)
          SELECT :role_id, id, CAST(:effect AS permission_effect), :condition FROM permission
          WHERE CAST(:effect AS text) IS NOT NULL
          ON CONFLICT (role_id, permission_id) DO UPDATE SET effect = EXCLUDED.effect, condition = EXCLUDED.condition
        )
        SELECT id FROM permission
    """),
    "role_inherits": text("""
        INSERT INTO role_inheritance (child_role_id, parent_role_id) VALUES (:role_id, :parent_role_id)
        RETURNING child_role_id
    """),
    "role_disinherits": text("""
        DELETE FROM role_inheritance                                     -- uq_role_inheritance_child_role_id_parent_...
        WHERE child_role_id = :role_id AND parent_role_id = :parent_role_id
        RETURNING child_role_id
    """),
    "role_active": text("UPDATE roles SET is_active = :is_active WHERE id = :role_id RETURNING id"),  # pk_roles
}

HOLDERS = text("""
    SELECT DISTINCT held.user_id
    FROM role_ancestors AS ancestor                                      -- ix_role_ancestors_ancestor_id_role_id
    CROSS JOIN LATERAL (              -- a page of each: by a join the planner would look at every user for a rare role
      SELECT DISTINCT user_id
      FROM user_roles                                                    -- ix_user_roles_role_id_user_id
      WHERE role_id = ancestor.role_id AND user_id > :after
        AND starts_at <= :now AND (expires_at IS NULL OR :now < expires_at)
      ORDER BY user_id
      LIMIT :limit
    ) AS held
    WHERE ancestor.ancestor_id = ANY (CAST(:roles AS uuid[]))
    ORDER BY held.user_id
    LIMIT :limit
""")


async def apply(connection: AsyncConnection, change: str, values: Mapping[str, Any]) -> bool:
    """Make a change; whether there was anything to change. IntegrityError when the database refuses it."""
    return (await connection.execute(CHANGES[change], values)).first() is not None


async def holders(connection: AsyncConnection, roles: list[UUID], now: object, after: UUID, limit: int) -> list[UUID]:
    """Users behind one who have one of these roles now, by an assignment of it or of one that inherits from it."""
    values = {"roles": roles, "now": now, "after": after, "limit": limit}
    return list((await connection.execute(HOLDERS, values)).scalars())


async def owner_of(connection: AsyncConnection, grant_id: UUID) -> UUID | None:
    """Who has a grant. By pk_user_roles and pk_user_permissions."""
    return (await connection.execute(OWNER, {"grant_id": grant_id})).scalar()


OWNER = text("""
    SELECT user_id FROM user_roles WHERE id = :grant_id
    UNION ALL
    SELECT user_id FROM user_permissions WHERE id = :grant_id
""")
