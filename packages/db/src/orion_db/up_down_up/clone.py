"""A copy of a target's database, with all its rows, for the time of a test."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.backups.programs import connection_arguments, find_program, run_program
from orion_db.connections import maintenance_connection, owner_connection, server_version
from orion_db.errors import Exit, Problem, sqlstate
from orion_db.production import is_marked
from orion_db.progress import Progress, Step
from orion_db.roles import create_database, drop_database
from orion_db.scratch import pointed_at
from orion_db.targets import Target

PREFIX = "orion_clone_"
_YOUNG_SECONDS = 600
"""A clone that is being made has nobody connected yet."""
_SINCE_17 = "transaction_timeout"
"""A setting that pg_restore 17 and newer sets on every server, and that older servers do not know."""

_UNUSED = text("""
SELECT datname FROM pg_database
WHERE starts_with(datname, :prefix) AND NOT EXISTS (
  SELECT FROM pg_stat_activity WHERE pg_stat_activity.datname = pg_database.datname)
""")

_USED = text("SELECT count(*) FROM pg_stat_activity WHERE datname = :database")


@asynccontextmanager
async def clone(target: Target, programs: Path | None, progress: Progress) -> AsyncGenerator[Target]:
    """The target pointed at a copy of its database, which is dropped at the end of the block.

    Where nobody is connected the server copies the files; that keeps others from connecting meanwhile, so a database
    that is in use, or marked as production, is dumped and restored instead. Clones that a crash has left behind are
    dropped on the way. Raises Problem `clone_failed`, `program_missing`, `may_not_create_databases`.
    """
    name = f"{PREFIX}{target.service.name}_{int(time.time())}_{secrets.token_hex(4)}"
    async with maintenance_connection(target, "clone") as connection:
        await _drop_left_overs(connection, target)
        progress(Step(target.service.name, f"copying {target.database}"))
        copied = await _copy_files(connection, target, name)
        if not copied:
            await create_database(connection, target.service, name, target.login)
        version = await server_version(connection)
    copy = pointed_at(target, name)
    try:
        async with owner_connection(copy, "test (keeps the clone from being swept)"):
            if not copied:
                await _dump_and_restore(target, copy, version // 10000, programs)
            yield copy
    finally:
        async with maintenance_connection(target, "clone") as connection:
            await drop_database(connection, name, target.login)


async def _drop_left_overs(connection: AsyncConnection, target: Target) -> None:
    prefix = f"{PREFIX}{target.service.name}_"
    for name in (await connection.execute(_UNUSED, {"prefix": prefix})).scalars().all():
        made_at = name.removeprefix(prefix).partition("_")[0]
        if made_at.isdigit() and time.time() - int(made_at) > _YOUNG_SECONDS:
            await drop_database(connection, name, target.login)


async def _copy_files(connection: AsyncConnection, target: Target, name: str) -> bool:
    """Whether the server could make the copy by itself."""
    used = (await connection.execute(_USED, {"database": target.database})).scalar_one()
    if used or await is_marked(connection, target.database):
        return False
    try:
        await create_database(connection, target.service, name, target.login, template=target.database)
    except DBAPIError as error:
        if sqlstate(error) != "55006":  # object_in_use: somebody has come meanwhile
            raise
        return False
    return True


async def _dump_and_restore(target: Target, copy: Target, version: int, folder: Path | None) -> None:
    """Let pg_dump write into pg_restore by a pipe, so that nothing of the data lies in a file."""
    service = target.service
    dump = find_program("pg_dump", version, service.name, folder)
    restore = find_program("pg_restore", dump.major, service.name, folder)
    # Told its format, pg_restore does not open the pipe twice to find it out.
    common = [f"--role={service.owner_role}", "--format=custom", "--no-password", "--no-subscriptions"]
    read, write = os.pipe()

    async def write_all() -> tuple[int, list[str]]:
        where, environment = connection_arguments(target, target.database)
        words = [f"--dbname={where}", *common, "--compress=0", "--no-sync", f"--file=/dev/fd/{write}"]
        try:
            return await run_program(dump, words, environment, inherit=(write,))
        finally:
            os.close(write)  # the other end reads on until nobody can write any more

    async def read_all() -> tuple[int, list[str]]:
        where, environment = connection_arguments(copy, copy.database)
        words = [f"--dbname={where}", *common, f"/dev/fd/{read}"]
        try:
            return await run_program(restore, words, environment, inherit=(read,))
        finally:
            os.close(read)

    (dumped, complaints), (_, others) = await asyncio.gather(write_all(), read_all())
    errors = [line for line in others if "error:" in line and _SINCE_17 not in line]
    if dumped or errors:
        raise Problem(
            "clone_failed",
            Exit.FAILED,
            f"{service.name}: {target.database} could not be copied.",
            " ".join([*complaints, *errors][:4]),
            "Correct what it says, and repeat; what was copied is dropped.",
        )
