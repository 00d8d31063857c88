"""A backup restored into a database of its own, and proved to be what was backed up, before anybody sees it."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.sealing import Keyring
from orion_db.backups.copying import told
from orion_db.backups.encryption import TamperedError, decrypt
from orion_db.backups.facts import count_rows, differences, snapshot
from orion_db.backups.files import plain_folder
from orion_db.backups.manifest import Manifest
from orion_db.backups.programs import connection_arguments, find_program, run_program
from orion_db.backups.surroundings import surround
from orion_db.backups.vault import Backup, Vault, damaged
from orion_db.connections import maintenance_connection, owner_connection, server_version
from orion_db.errors import Exit, Problem
from orion_db.progress import Progress, Step
from orion_db.roles import Preparation, create_database, drop_database, prepare_roles, quoted
from orion_db.scratch import pointed_at
from orion_db.targets import Target

PREFIX = "orion_restore_"
_LEFT_OVER_SECONDS = 3600
_SINCE_17 = "transaction_timeout"
"""A setting that pg_restore 17 and newer sets on every server, and that older servers do not know."""


@dataclass(frozen=True)
class Fresh:
    """The restored database, not yet under the name that it is for."""

    target: Target
    manifest: Manifest
    left_out: tuple[str, ...]
    """Of the surroundings: what could not be given to it, and why."""


@asynccontextmanager
async def restored(
    target: Target, vault: Vault, backup: Backup, manifest: Manifest, *, jobs: int, progress: Progress
) -> AsyncGenerator[Fresh]:
    """Restore into a new database on the target's server and compare every table with the manifest.

    Dropped at the end of the block, unless it has another name by then. Raises Problem `restore_failed`,
    `restored_differs`, `server_older`, `program_missing`, `backup_damaged`, and those of creating roles and databases.
    """
    name = f"{PREFIX}{target.service.name}_{int(time.time())}_{secrets.token_hex(4)}"
    async with maintenance_connection(target, "restore") as connection:
        version = await server_version(connection)
        _refuse_older(target, manifest, version)
        await _drop_left_overs(connection, target)
        await prepare_roles(connection, target, Preparation())
        await create_database(connection, target.service, name, target.login)
    fresh = pointed_at(target, name)
    try:
        async with owner_connection(fresh, "restore (keeps it from being swept)"):
            await _restore(fresh, vault, backup, manifest, version, jobs, progress)
            await _compare(fresh, backup, manifest, progress)
            async with maintenance_connection(target, "restore") as connection:
                left_out = await surround(connection, target, name, manifest.surroundings)
        yield Fresh(fresh, manifest, tuple(left_out))
    finally:
        async with maintenance_connection(target, "restore") as connection:
            await drop_database(connection, name, target.login)


async def _restore(
    fresh: Target, vault: Vault, backup: Backup, manifest: Manifest, version: int, jobs: int, progress: Progress
) -> None:
    major = max(version // 10000, manifest.pg_dump_major)
    program = find_program("pg_restore", major, fresh.service.name, vault.programs)
    with ExitStack() as stack:
        dump, inherit = backup.dump, tuple[int, ...]()
        if manifest.key_id is not None:
            assert vault.keys  # `check` has authenticated the manifest under it
            plain = stack.enter_context(plain_folder())
            dump, inherit = plain.path / "dump", (plain.descriptor,)
            progress(Step(fresh.service.name, f"decrypting {backup.name}"))
            await asyncio.to_thread(_decrypt_all, backup, manifest, dump, vault.keys)
        where, environment = connection_arguments(fresh, fresh.database)
        stops_at_errors = version >= 170000 or program.major < 17
        words = [
            f"--dbname={where}", f"--role={fresh.service.owner_role}", f"--jobs={jobs}", "--no-password",
            "--no-subscriptions", *(["--exit-on-error"] if stops_at_errors else []), str(dump),
        ]  # fmt: skip
        rows = {table.name: table.rows for table in manifest.tables}
        async with told(fresh, f"restoring {backup.name}", rows, progress):
            code, said = await run_program(program, words, environment, inherit=inherit)
    errors = [line for line in said if "error:" in line and (stops_at_errors or _SINCE_17 not in line)]
    if errors or (code and stops_at_errors):
        raise Problem(
            "restore_failed",
            Exit.FAILED,
            f"{fresh.service.name}: {program.path} could not restore {backup.name}.",
            " ".join(errors[:3] or said[-4:]),
            "Nothing else was touched: it was restored into a database of its own, which is dropped.",
        )


def _decrypt_all(backup: Backup, manifest: Manifest, goal: Path, keys: Keyring) -> None:
    assert manifest.key_id is not None
    for file in manifest.files:
        (goal / file.name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            decrypt(backup.dump / file.name, goal / file.name, keys.keys[manifest.key_id], f"{backup.name}/{file.name}")
        except TamperedError as error:
            raise damaged(backup, [f"{file.name}: {error}"]) from None


async def _compare(fresh: Target, backup: Backup, manifest: Manifest, progress: Progress) -> None:
    progress(Step(fresh.service.name, f"comparing {manifest.rows} rows with the manifest of {backup.name}"))
    async with snapshot(fresh, "restore") as (connection, _):
        found = differences(manifest.tables, await count_rows(connection))
    if found:
        raise Problem(
            "restored_differs",
            Exit.FAILED,
            f"{fresh.service.name}: what was restored from {backup.name} is not what was backed up.",
            "; ".join(found) + ".",
            "Nothing else was touched. Take a new backup, and keep this one for whoever looks into it.",
        )


def _refuse_older(target: Target, manifest: Manifest, version: int) -> None:
    if version // 10000 < manifest.server_version // 10000:
        raise Problem(
            "server_older",
            Exit.REFUSED,
            f"The backup {manifest.name} is of PostgreSQL {manifest.server_version // 10000}, "
            f"and {target.address()} runs {version // 10000}.",
            "Dumps go to the same or a newer version.",
            f"Restore to a server of version {manifest.server_version // 10000} or newer.",
        )


async def _drop_left_overs(connection: AsyncConnection, target: Target) -> None:
    """Drop what a killed restore of this service has left; one that goes on has a session in its database."""
    prefix = f"{PREFIX}{target.service.name}_"
    names = await connection.execute(
        text("SELECT datname FROM pg_database WHERE starts_with(datname, :prefix)"), {"prefix": prefix}
    )
    for name in names.scalars().all():
        made_at = name.removeprefix(prefix).partition("_")[0]
        if made_at.isdigit() and time.time() - int(made_at) > _LEFT_OVER_SECONDS:
            try:
                await connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {quoted(name)}")
            except DBAPIError:
                continue  # in use
