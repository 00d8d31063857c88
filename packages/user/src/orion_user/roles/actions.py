"""What can be done with roles."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_user.roles import store


class MissingRoleError(Exception):
    """A role that comes with Orion is not in the database."""


async def system_role_id(connection: AsyncConnection, name: str) -> UUID:
    """Id of the SYSTEM role of that name; raises `MissingRoleError`."""
    found = await store.system_role_id(connection, name)
    if found is None:
        raise MissingRoleError(f"the role {name!r} is missing; seed this database: orion db seed user")
    return found
