"""A restored database takes the place of the one that is used: in one transaction, under open connections."""

import asyncio
from contextlib import suppress
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.connections import maintenance_connection
from orion_db.errors import Exit, Problem, reason, sqlstate
from orion_db.roles import quoted
from orion_db.targets import Target

_LONGEST_NAME = 63
_PAUSE_SECONDS = 0.1
_OBJECT_IN_USE = "55006"

_SESSIONS = text("""
SELECT pid, usename, application_name FROM pg_stat_activity WHERE datname = :database AND pid <> pg_backend_pid()
""")


def name_before(database: str, now: datetime) -> str:
    """What the replaced database is called from then on."""
    ending = f"_before_{now:%Y%m%dt%H%M%S}"
    return database[: _LONGEST_NAME - len(ending)] + ending


async def rename(target: Target, old: str, new: str) -> None:
    """Give a database that nobody uses another name."""
    async with maintenance_connection(target, "restore (rename)") as connection:
        await _explained(connection, [_renaming(old, new)], target, old)


async def swap(target: Target, fresh: str, database: str, before: str) -> None:
    """`database` becomes `before` and `fresh` becomes `database`, both or neither; the sessions in it are ended.

    RENAME locks the database against new sessions and then waits some seconds for the present ones to go (PostgreSQL's
    CountOtherDBBackends); meanwhile another connection ends them. Raises Problem `database_in_use` and
    `permission_missing`.
    """
    async with (
        maintenance_connection(target, "restore (swap)") as connection,
        maintenance_connection(target, "restore (ending sessions)") as ending,
    ):
        task = asyncio.create_task(_end_sessions(ending, database))
        try:
            await _explained(connection, [_renaming(database, before), _renaming(fresh, database)], target, database)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, DBAPIError):
                await task


def _renaming(old: str, new: str) -> str:
    return f"ALTER DATABASE {quoted(old)} RENAME TO {quoted(new)}"


async def _explained(connection: AsyncConnection, statements: list[str], target: Target, database: str) -> None:
    try:
        # The connection is an autocommit one, so the transaction is begun by hand; the server takes all or nothing.
        await connection.exec_driver_sql("BEGIN")
        for statement in statements:
            await connection.exec_driver_sql(statement)
        await connection.exec_driver_sql("COMMIT")
    except DBAPIError as error:
        await connection.exec_driver_sql("ROLLBACK")
        if sqlstate(error) not in (_OBJECT_IN_USE, "42501"):
            raise
        forbidden = sqlstate(error) == "42501"
        there = [
            f"pid {row[0]} ({row[2]}, login {row[1]})"
            for row in await connection.execute(_SESSIONS, {"database": database})
        ]
        raise Problem(
            "permission_missing" if forbidden else "database_in_use",
            Exit.FORBIDDEN if forbidden else Exit.LOCKED,
            f"{database!r} could not be given another name; it is as it was.",
            f"{reason(error)} {'Sessions: ' + '; '.join(there) + '.' if there else ''}",
            f"Stop what uses it, let the login {target.login!r} be a member of pg_signal_backend and create databases, "
            "and repeat.",
        ) from None


async def _end_sessions(connection: AsyncConnection, database: str) -> None:
    """End whoever is in the database, again and again: clients come back until the lock keeps them out."""
    while True:
        for row in (await connection.execute(_SESSIONS, {"database": database})).all():
            with suppress(DBAPIError):  # a superuser's session, and we are none: RENAME will say so
                await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": row[0]})
        await asyncio.sleep(_PAUSE_SECONDS)
