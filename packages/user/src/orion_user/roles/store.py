"""Every statement on roles and their inheritance."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_user.roles.tables import Role, RoleAncestor, RoleInheritance, RoleType

ROLES = table_of(Role)

OWN_PERMISSIONS = text("""
    SELECT permission.name AS permission, role_permission.effect, role_permission.condition
    FROM role_permissions AS role_permission                                -- uq_role_permissions_role_id_permission_id
    JOIN permissions AS permission ON permission.id = role_permission.permission_id
    WHERE role_permission.role_id = :role_id
    ORDER BY permission.name
""")

ALL_PERMISSIONS = text("""
    SELECT
      permission.name AS permission, permission.scope, role_permission.effect, role_permission.condition,
      role.id, role.name, role.display_name, ancestor.depth
    FROM role_ancestors AS ancestor                                                                 -- pk_role_ancestors
    JOIN roles AS role ON role.id = ancestor.ancestor_id
    JOIN role_permissions AS role_permission ON role_permission.role_id = role.id
    JOIN permissions AS permission ON permission.id = role_permission.permission_id
    WHERE ancestor.role_id = :role_id
    ORDER BY permission.name, ancestor.depth, role.name
""")

SET_PERMISSION = text("""
    INSERT INTO role_permissions (role_id, permission_id, effect, condition)
    VALUES (:role_id, :permission_id, CAST(:effect AS permission_effect), :condition)
    ON CONFLICT (role_id, permission_id)
    DO UPDATE SET effect = EXCLUDED.effect, condition = EXCLUDED.condition
""")

REMOVE_PERMISSION = text("DELETE FROM role_permissions WHERE role_id = :role_id AND permission_id = :permission_id")

PATH = text("""
    WITH RECURSIVE path (role_id, depth, names) AS (
      SELECT roles.id, way.depth, ARRAY[roles.name::text]
      FROM roles JOIN role_ancestors AS way ON way.role_id = roles.id AND way.ancestor_id = :above
      WHERE roles.id = :below
      UNION ALL
      SELECT step.parent_role_id, way.depth, path.names || parent.name::text
      FROM path
      JOIN role_inheritance AS step ON step.child_role_id = path.role_id
      JOIN role_ancestors AS way
        ON way.role_id = step.parent_role_id AND way.ancestor_id = :above AND way.depth = path.depth - 1
      JOIN roles AS parent ON parent.id = step.parent_role_id
    )
    SELECT names FROM path WHERE role_id = :above LIMIT 1
""")


async def system_role_id(connection: AsyncConnection, name: str) -> UUID | None:
    """Id of the SYSTEM role of that name. By uq_roles_organization_id_name."""
    statement = select(Role.id).where(Role.organization_id.is_(None), Role.name == name, Role.type == RoleType.SYSTEM)
    return (await connection.execute(statement)).scalar_one_or_none()


async def insert_role(connection: AsyncConnection, values: dict[str, Any]) -> RowMapping:
    """Add a role. IntegrityError: uq_roles_organization_id_name, uq_roles_look, uq_roles_skeleton."""
    return (await connection.execute(insert(ROLES).values(values).returning(ROLES))).mappings().one()


async def find(connection: AsyncConnection, role_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """A role (primary key); with `lock`, nobody else changes it until the transaction ends."""
    statement = select(ROLES).where(Role.id == role_id)
    if lock:
        statement = statement.with_for_update()
    return (await connection.execute(statement)).mappings().one_or_none()


async def page(
    connection: AsyncConnection, organization_id: UUID | None, after: str | None, limit: int
) -> Sequence[RowMapping]:
    """Roles of one organization, or of none, by name. Along uq_roles_organization_id_name."""
    statement = select(ROLES).where(Role.organization_id.is_not_distinct_from(organization_id))
    if organization_id is None:
        statement = select(ROLES).where(Role.organization_id.is_(None))
    if after is not None:
        statement = statement.where(Role.name > after)
    return (await connection.execute(statement.order_by(Role.name).limit(limit))).mappings().all()


async def system_names(connection: AsyncConnection) -> Sequence[RowMapping]:
    """Names of the roles that come with Orion: a few. By uq_roles_organization_id_name."""
    statement = select(Role.name, Role.display_name).where(Role.organization_id.is_(None), Role.type == RoleType.SYSTEM)
    return (await connection.execute(statement)).mappings().all()


async def change(connection: AsyncConnection, role_id: UUID, values: dict[str, Any]) -> None:
    """Set columns (primary key)."""
    await connection.execute(update(ROLES).where(Role.id == role_id).values(values))


async def remove(connection: AsyncConnection, role_id: UUID) -> None:
    """Delete a role with its permissions and its inheritance. IntegrityError when anybody has, or had, it."""
    await connection.execute(delete(ROLES).where(Role.id == role_id))


async def parents(connection: AsyncConnection, role_id: UUID) -> Sequence[RowMapping]:
    """The roles that a role inherits from directly. By uq_role_inheritance_child_role_id_parent_role_id."""
    statement = (
        select(Role.id, Role.name, Role.display_name)
        .join(RoleInheritance, RoleInheritance.parent_role_id == Role.id)
        .where(RoleInheritance.child_role_id == role_id)
        .order_by(Role.name)
    )
    return (await connection.execute(statement)).mappings().all()


async def heirs(connection: AsyncConnection, role_id: UUID) -> Sequence[UUID]:
    """A role and the active ones that inherit from it at any depth. By ix_role_ancestors_ancestor_id_role_id."""
    statement = (
        select(RoleAncestor.role_id)
        .join(Role, Role.id == RoleAncestor.role_id)
        .where(RoleAncestor.ancestor_id == role_id, or_(Role.is_active, Role.id == role_id))
    )
    return (await connection.execute(statement)).scalars().all()


async def children(connection: AsyncConnection, role_id: UUID) -> Sequence[str]:
    """Names of the roles that inherit from a role directly. By ix_role_inheritance_parent_role_id."""
    statement = (
        select(Role.name)
        .join(RoleInheritance, RoleInheritance.child_role_id == Role.id)
        .where(RoleInheritance.parent_role_id == role_id)
        .order_by(Role.name)
    )
    return (await connection.execute(statement)).scalars().all()


async def add_parent(connection: AsyncConnection, role_id: UUID, parent_id: UUID) -> bool:
    """Have a role inherit from another; False when it does already. Triggers refuse circles and keep the closure."""
    statement = (
        upsert(table_of(RoleInheritance))
        .values(child_role_id=role_id, parent_role_id=parent_id)
        .on_conflict_do_nothing()
        .returning(RoleInheritance.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def remove_parent(connection: AsyncConnection, role_id: UUID, parent_id: UUID) -> bool:
    """End that; False when it is not so. By uq_role_inheritance_child_role_id_parent_role_id."""
    statement = (
        delete(table_of(RoleInheritance))
        .where(RoleInheritance.child_role_id == role_id, RoleInheritance.parent_role_id == parent_id)
        .returning(RoleInheritance.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def path(connection: AsyncConnection, below: UUID, above: UUID) -> Sequence[str]:
    """The names on the shortest way up from a role to one that it inherits from; nothing when it does not."""
    return (await connection.execute(PATH, {"below": below, "above": above})).scalar_one_or_none() or []


async def own_permissions(connection: AsyncConnection, role_id: UUID) -> Sequence[RowMapping]:
    """What a role says itself, by the name of the permission."""
    return (await connection.execute(OWN_PERMISSIONS, {"role_id": role_id})).mappings().all()


async def all_permissions(connection: AsyncConnection, role_id: UUID) -> Sequence[RowMapping]:
    """What a role and all that it inherits from say, by the name of the permission, the nearest role first."""
    return (await connection.execute(ALL_PERMISSIONS, {"role_id": role_id})).mappings().all()


async def set_permission(
    connection: AsyncConnection, role_id: UUID, permission_id: UUID, effect: str, condition: str | None
) -> None:
    """Have a role allow or deny a permission, whatever it said before. By uq_role_permissions_role_id_permission_id."""
    values = {"role_id": role_id, "permission_id": permission_id, "effect": effect, "condition": condition}
    await connection.execute(SET_PERMISSION, values)


async def remove_permission(connection: AsyncConnection, role_id: UUID, permission_id: UUID) -> bool:
    """Have a role say nothing of a permission; False when it did not. By uq_role_permissions_role_id_permission_id."""
    done = await connection.execute(REMOVE_PERMISSION, {"role_id": role_id, "permission_id": permission_id})
    return done.rowcount == 1
