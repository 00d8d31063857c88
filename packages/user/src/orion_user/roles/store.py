"""Every statement on roles and their inheritance."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_user.roles.tables import Role, RoleType


async def system_role_id(connection: AsyncConnection, name: str) -> UUID | None:
    """Id of the SYSTEM role of that name. By uq_roles_organization_id_name."""
    statement = select(Role.id).where(Role.organization_id.is_(None), Role.name == name, Role.type == RoleType.SYSTEM)
    return (await connection.execute(statement)).scalar_one_or_none()
