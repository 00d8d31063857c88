"""What `init` needs before there is a schema: the two roles of a service, its login, and its database.

`orion_<service>_owner` owns the database and everything in it. `orion_<service>_service` owns nothing and is what the
running service acts as. Neither can sign in; logins are members of them.
"""

from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.service import Service
from orion_db.connections import server_version
from orion_db.errors import Exit, Problem, permissions_explained, reason, sqlstate
from orion_db.passwords import scram_verifier
from orion_db.targets import Target


@dataclass
class Preparation:
    """What had to be made, in the order it was."""

    roles: list[str] = field(default_factory=list[str])
    memberships: list[str] = field(default_factory=list[str])
    database: bool = False


def quoted(identifier: str) -> str:
    """The identifier as SQL, in double quotes where it needs them."""
    # Not the default dialect's: its driver wants every % twice.
    return asyncpg.dialect().identifier_preparer.quote(identifier)  # pyright: ignore[reportUnknownMemberType]


async def missing_roles(connection: AsyncConnection, target: Target) -> list[str]:
    """The roles that `prepare_roles` would create."""
    wanted = dict.fromkeys((target.service.owner_role, target.service.service_role, target.service_login))
    return [role for role in wanted if role and not await _role_exists(connection, role)]


async def prepare_roles(connection: AsyncConnection, target: Target, made: Preparation) -> None:
    """Create the owner role, the service role and the service's login where they do not exist, and the memberships.

    An existing login keeps its password. Raises Problem `may_not_create_roles`.
    """
    service = target.service
    for role in (service.owner_role, service.service_role):
        if not await _role_exists(connection, role):
            await _create_role(connection, target, role, f"CREATE ROLE {quoted(role)} NOLOGIN")
            made.roles.append(role)
    login = target.service_login
    if login and not await _role_exists(connection, login):
        await _create_role(connection, target, login, _create_login(login, target.service_password))
        made.roles.append(login)
    me = (await connection.execute(text("SELECT session_user"))).scalar_one()
    await _join(connection, target, service.owner_role, me, made)
    await _join(connection, target, service.service_role, login or me, made)


async def prepare_database(connection: AsyncConnection, target: Target, made: Preparation) -> None:
    """Create the service's database where it does not exist, owned by the owner role, closed to everybody else.

    Raises Problem `may_not_create_databases`, and `database_of_another` for one that somebody else owns and uses.
    """
    owner = await database_owner(connection, target.database)
    if owner is None:
        await create_database(connection, target.service, target.database, target.login)
        made.database = True
    else:
        refuse_database_of_another(target, owner)
        await fence_database(connection, target.service, target.database)


def refuse_database_of_another(target: Target, owner: str) -> None:
    """Raise Problem `database_of_another` unless the database's owner is the service's."""
    if owner == target.service.owner_role:
        return
    raise Problem(
        "database_of_another",
        Exit.REFUSED,
        f"The database {target.database!r} exists and belongs to {owner}, not to {target.service.owner_role}.",
        "init does not take over a database that it has not made.",
        f"If it is meant for Orion, run: ALTER DATABASE {quoted(target.database)} OWNER TO "
        f"{target.service.owner_role}; and repeat. Otherwise name another database in the URL.",
    )


async def create_database(
    connection: AsyncConnection, service: Service, database: str, login: str, *, template: str = "template0"
) -> None:
    """Create a database with the service's owner and fence. Needs an autocommit connection."""
    encoding = " ENCODING 'UTF8'" if template == "template0" else ""
    statement = (
        f"CREATE DATABASE {quoted(database)} OWNER {quoted(service.owner_role)} TEMPLATE {quoted(template)}{encoding}"
    )
    try:
        await connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if sqlstate(error) == "42P04":  # duplicate_database: somebody was faster
            return
        if sqlstate(error) != "42501":
            raise
        raise Problem(
            "may_not_create_databases",
            Exit.FORBIDDEN,
            f"The login {login!r} may not create the database {database!r}.",
            reason(error),
            f"Have an administrator run: ALTER ROLE {quoted(login)} CREATEDB; "
            f"or put an administrator into {service.owner_url_variable}.",
        ) from None
    await fence_database(connection, service, database)


async def fence_database(connection: AsyncConnection, service: Service, database: str) -> None:
    """Nobody but the two roles may connect. The grants are the database's own: a copy by TEMPLATE has none of them."""
    name = quoted(database)
    await connection.exec_driver_sql(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
    await connection.exec_driver_sql(
        f"GRANT CONNECT ON DATABASE {name} TO {quoted(service.owner_role)}, {quoted(service.service_role)}"
    )


async def drop_database(connection: AsyncConnection, database: str, login: str) -> None:
    """Drop a database, ending the sessions in it. Needs an autocommit connection."""
    with permissions_explained(f"drop the database {database!r}", login):
        await connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {quoted(database)} WITH (FORCE)")


async def database_owner(connection: AsyncConnection, database: str) -> str | None:
    """Name of the role that owns the database; None when there is no such database."""
    found = await connection.execute(
        text("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = :database"), {"database": database}
    )
    return found.scalar_one_or_none()


async def revoke_create_on_public(connection: AsyncConnection) -> None:
    """Only the owner makes objects in schema public: so since PostgreSQL 15, but upgraded databases keep the grant."""
    await connection.exec_driver_sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")


async def _role_exists(connection: AsyncConnection, role: str) -> bool:
    found = await connection.execute(text("SELECT count(*) FROM pg_roles WHERE rolname = :role"), {"role": role})
    return bool(found.scalar_one())


def _create_login(login: str, password: str | None) -> str:
    secret = f" PASSWORD '{scram_verifier(password)}'" if password else ""
    return f"CREATE ROLE {quoted(login)} LOGIN{secret}"


async def _create_role(connection: AsyncConnection, target: Target, role: str, statement: str) -> None:
    try:
        await connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if sqlstate(error) in ("42710", "23505"):  # duplicate_object, unique_violation: somebody was faster
            return
        if sqlstate(error) != "42501":
            raise
        raise Problem(
            "may_not_create_roles",
            Exit.FORBIDDEN,
            f"The login {target.login!r} may not create the role {role!r}.",
            reason(error),
            f"Have an administrator run: ALTER ROLE {quoted(target.login)} CREATEROLE; "
            f"or put an administrator into {target.service.owner_url_variable}.",
        ) from None


async def _join(connection: AsyncConnection, target: Target, role: str, member: str, made: Preparation) -> None:
    """Make `member` able to act as `role`, unless it is already (a superuser always is)."""
    # Since PostgreSQL 16 whoever creates a role is a MEMBER that may not SET it (chapter 22.3).
    able = "SET" if await server_version(connection) >= 160000 else "MEMBER"
    found = await connection.execute(
        text("SELECT pg_has_role(:member, :role, :able)"), {"member": member, "role": role, "able": able}
    )
    if found.scalar_one():
        return
    with permissions_explained(f"make {member} a member of {role}", target.login):
        await connection.exec_driver_sql(f"GRANT {quoted(role)} TO {quoted(member)}")
    made.memberships.append(f"{member} is a member of {role}")
