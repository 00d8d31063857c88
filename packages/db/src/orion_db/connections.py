"""Connections of the tool to PostgreSQL, and what it says when there is none to be had."""

import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from orion_db.errors import Exit, Problem, reason, sqlstate
from orion_db.targets import Target, address

CONNECT_SECONDS = 10.0

# A killed or cut-off client is noticed by the server within half a minute, even in the middle of a statement
# (PostgreSQL documentation, chapter 20.3.2), so that it does not keep its locks.
_SETTINGS = {
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "search_path": "public",  # whatever the database or the login says: everything of ours is there
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}

_MAINTENANCE_DATABASES = ("postgres", "template1")


@asynccontextmanager
async def owner_connection(
    target: Target, purpose: str, *, database: str | None = None, autocommit: bool = False
) -> AsyncGenerator[AsyncConnection]:
    """A connection to the service's database (or to `database` on its server) that acts as the owner role."""
    async with _connection(
        target.owner_url,
        database=database or target.database,
        role=target.service.owner_role,
        target=target,
        purpose=purpose,
        autocommit=autocommit,
    ) as connection:
        yield connection


@asynccontextmanager
async def service_connection(target: Target, purpose: str) -> AsyncGenerator[AsyncConnection]:
    """A connection as the running service has it: its own login, acting as the least-privilege role."""
    async with _connection(
        target.url,
        database=target.database,
        role=target.service.service_role,
        target=target,
        purpose=purpose,
        autocommit=False,
    ) as connection:
        yield connection


@asynccontextmanager
async def owner_engine(target: Target, purpose: str, settings: Mapping[str, str]) -> AsyncGenerator[AsyncEngine]:
    """Connections to the service's database that act as the owner role, each with these settings; kept for the next."""

    async def open_connection() -> asyncpg.Connection:
        connection = await _open(target.owner_url, target.database, target.service.owner_role, target, purpose)
        for name, value in settings.items():
            await connection.execute("SELECT set_config($1, $2, false)", name, value)
        return connection

    # A new one takes a tenth of a second, a page as long again. Errors may tell no values: some are secrets.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=open_connection, pool_pre_ping=True, pool_size=2, hide_parameters=True
    )
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def login_connection(
    target: Target, purpose: str, *, autocommit: bool = False
) -> AsyncGenerator[AsyncConnection]:
    """A connection of the login itself to the service's database: it may see what the owner may not.

    A login that does not inherit the owner role's rights acts as that role instead.
    """
    async with _connection(
        target.owner_url, database=target.database, role=None, target=target, purpose=purpose, autocommit=autocommit
    ) as connection:
        owner = target.service.owner_role
        inherits = await connection.execute(_INHERITS, {"owner": owner})
        if not inherits.scalar_one():
            try:
                await connection.execute(text("SELECT set_config('role', :owner, false)"), {"owner": owner})
            except DBAPIError as error:
                if sqlstate(error) != "42501":
                    raise
                raise _may_not_act_as(owner, target.login, target) from None
        await connection.commit()
        yield connection


_INHERITS = text("""
SELECT coalesce(pg_has_role(oid, 'USAGE'), true) FROM (
  SELECT (SELECT oid FROM pg_roles WHERE rolname = :owner) AS oid
) AS owner
""")


@asynccontextmanager
async def maintenance_connection(target: Target, purpose: str) -> AsyncGenerator[AsyncConnection]:
    """An autocommit connection of the login itself to a database that every server has: CREATE DATABASE needs one."""
    database = await _maintenance_database(target)
    async with _connection(
        target.owner_url, database=database, role=None, target=target, purpose=purpose, autocommit=True
    ) as connection:
        yield connection


async def _maintenance_database(target: Target) -> str:
    for database in _MAINTENANCE_DATABASES[:-1]:
        try:
            async with _connection(
                target.owner_url, database=database, role=None, target=target, purpose="look", autocommit=True
            ):
                return database
        except Problem as problem:
            if problem.code not in ("database_missing", "connect_forbidden"):
                raise
    return _MAINTENANCE_DATABASES[-1]


@asynccontextmanager
async def _connection(
    url: str, *, database: str, role: str | None, target: Target, purpose: str, autocommit: bool
) -> AsyncGenerator[AsyncConnection]:
    async def open_connection() -> asyncpg.Connection:
        return await _open(url, database, role, target, purpose)

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=open_connection,
        poolclass=NullPool,
        **({"isolation_level": "AUTOCOMMIT"} if autocommit else {}),
    )
    async with engine.connect() as connection:
        yield connection


async def _open(url: str, database: str, role: str | None, target: Target, purpose: str) -> asyncpg.Connection:
    """Asyncpg reads the URL itself: it understands all that libpq's do (sslmode, several hosts, …)."""
    scheme, _, rest = url.partition("://")
    try:
        connection = await asyncpg.connect(
            f"{scheme.partition('+')[0]}://{rest}",
            database=database,
            timeout=CONNECT_SECONDS,
            server_settings={"application_name": f"orion db {purpose}"},
        )
    except Exception as error:
        raise _explained(error, url, database, target) from None
    try:
        await _act_as(connection, role, target)
    except BaseException:
        await connection.close()
        raise
    return connection


async def _act_as(connection: asyncpg.Connection, role: str | None, target: Target) -> None:
    """Set the session's settings, then its role: the settings are the login's own affair."""
    for name, value in _SETTINGS.items():
        try:
            await connection.execute("SELECT set_config($1, $2, false)", name, value)
        except asyncpg.PostgresError:
            continue  # a server on a system without the means (client_connection_check_interval on Windows)
    if role is None:
        return
    try:
        await connection.execute("SELECT set_config('role', $1, false)", role)
    except asyncpg.InvalidParameterValueError:
        raise Problem(
            "role_missing",
            Exit.UNREACHABLE,
            f"The role {role} does not exist on {target.address()}.",
            "It is made by `init`.",
            f"Run `orion db init {target.service.name}`.",
        ) from None
    except asyncpg.InsufficientPrivilegeError:
        raise _may_not_act_as(role, await connection.fetchval("SELECT session_user"), target) from None


def _may_not_act_as(role: str, login: str, target: Target) -> Problem:
    return Problem(
        "permission_missing",
        Exit.FORBIDDEN,
        f"The login {login!r} may not act as {role}.",
        "It is not a member of that role.",
        f"Run `orion db init {target.service.name}` with an administrator in {target.service.owner_url_variable}, "
        f"or have one run: GRANT {role} TO {login}.",
    )


def _explained(error: Exception, url: str, database: str, target: Target) -> Problem:
    """Why there is no connection. Nothing of the URL but host, port, login and database is repeated."""
    service, where = target.service, address(url)
    variable = service.url_variable if url == target.url else service.owner_url_variable
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return Problem(
            "database_missing",
            Exit.UNREACHABLE,
            f"The database {database!r} does not exist on {where}.",
            reason(error),
            f"Run `orion db init {service.name}`, which creates, migrates and seeds it.",
        )
    if isinstance(error, asyncpg.InvalidPasswordError):
        return Problem(
            "wrong_password",
            Exit.UNREACHABLE,
            f"The server at {where} refused the password in {variable}.",
            reason(error),
            f"Correct the password in {variable}; characters such as @ : / # % must be percent-encoded.",
        )
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return Problem(
            "login_refused",
            Exit.UNREACHABLE,
            f"The server at {where} refused the login in {variable}.",
            reason(error),
            "Check the login's name, and that pg_hba.conf on the server lets it in from this machine.",
        )
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return Problem(
            "connect_forbidden",
            Exit.FORBIDDEN,
            f"The login in {variable} may not connect to the database {database!r} on {where}.",
            reason(error),
            f"Run `orion db init {service.name}` with an administrator in {service.owner_url_variable}.",
        )
    if isinstance(error, asyncpg.PostgresError):
        return Problem(
            "server_refused",
            Exit.UNREACHABLE,
            f"The server at {where} accepts no connection now.",
            reason(error),
            REFUSALS.get(str(error.sqlstate), "Look into the server's log, then repeat."),
        )
    if isinstance(error, OSError | TimeoutError | socket.gaierror):
        return Problem(
            "no_server",
            Exit.UNREACHABLE,
            f"No PostgreSQL server answers at {where}.",
            _silence(error),
            f"Check {variable}, and that the server runs ({_pg_isready(where)}), or run `make up` for a local one.",
        )
    return Problem(
        "url_unusable",
        Exit.USAGE,
        f"The driver cannot use {variable}.",
        f"{type(error).__name__}.",
        'Compare it with "postgresql://user:password@localhost:5432/name".',
    )


REFUSALS = {
    "57P03": "Wait until it has started, then repeat.",
    "53300": "End sessions that nobody needs, or raise max_connections, then repeat.",
    "53100": "Make room on the server's disk, then repeat; running services go on by themselves.",
}
"""What to do when a server lets nobody in, by its SQLSTATE."""


def _silence(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "Connection refused: nothing listens there."
    if isinstance(error, TimeoutError):
        return f"No answer within {CONNECT_SECONDS:.0f} seconds."
    return str(error) if isinstance(error, socket.gaierror) else type(error).__name__ + "."


def _pg_isready(where: str) -> str:
    host, _, port = where.rpartition(":")
    return f"pg_isready -h {host} -p {port}"


async def server_version(connection: AsyncConnection) -> int:
    """`server_version_num`: 150018 for 15.18."""
    return int((await connection.execute(text("SHOW server_version_num"))).scalar_one())
