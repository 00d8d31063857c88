"""Proving a backup by restoring it: files, rows, indexes, schema, and the service's own access. A backup that was never
restored is a hope.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.backups.facts import system_identifier
from orion_db.backups.files import complete, in_use
from orion_db.backups.fresh import Fresh, restored
from orion_db.backups.manifest import digest
from orion_db.backups.programs import default_jobs
from orion_db.backups.restore import standing_of
from orion_db.backups.vault import Backup, Vault, Verification, check, find, read_backups, record
from orion_db.catalog import compare
from orion_db.connections import login_connection, maintenance_connection, owner_connection, service_connection
from orion_db.errors import Exit, Problem, reason, sqlstate
from orion_db.history import read_history
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result
from orion_db.revisions import read_revisions
from orion_db.scratch import catalog_of, catalog_of_migrations
from orion_db.targets import Target

_THE_BACKUPS_FAULT = frozenset(
    {"backup_damaged", "restore_failed", "restored_differs", "smoke_test_failed", "index_damaged"}
)
"""All other Problems (no key, no server, no right) say nothing about the backup."""


@dataclass(frozen=True)
class Verified(Result):
    """What came of proving backups, the oldest first."""

    backups: dict[str, Verification]
    """By name."""

    @property
    def exit_code(self) -> Exit:
        if not all(found.ok for found in self.backups.values()):
            return Exit.FOUND
        return Exit.DRIFTED if any(found.drift for found in self.backups.values()) else Exit.OK

    def in_words(self) -> list[str]:
        lines: list[str] = []
        for name, found in self.backups.items():
            lines += [f"{name}: {line}" for line in _in_words(found)]
        return lines


def _in_words(found: Verification) -> list[str]:
    if not found.ok:
        return [f"NOT restorable. {found.why_not}"]
    proved = f"{found.rows} rows of {found.tables} tables as they were, {found.tables_read} read by the service"
    lines = [f"restorable: {proved}, in {found.seconds:.1f} s"]
    checked = f"{found.indexes_checked} indexes hold every row (amcheck)"
    lines.append(f"indexes not checked: {found.amcheck}" if found.amcheck else checked)
    if found.drift is None:
        lines.append("schema not compared: it has migrations that this code does not, or not as they are here")
    return lines + [f"drift: {difference}" for difference in found.drift or ()]


async def verify(
    target: Target, vault: Vault, *, name: str = "latest", jobs: int | None = None, progress: Progress = silent
) -> Verified:
    """Prove one backup, or `all`; what comes of it is kept beside each. A backup that is no good is a finding and no
    Problem; a Problem (`no_backup`, `backup_key_…`, `program_missing`, …) says nothing about the backup.
    """
    chosen = read_backups(vault, target.database) if name == "all" else [find(target, vault, name)]
    if not chosen:
        find(target, vault)  # says that there is none
    return Verified(
        target.service.name,
        {backup.name: await _verify(target, vault, backup, jobs, progress) for backup in chosen},
    )


async def _verify(target: Target, vault: Vault, backup: Backup, jobs: int | None, progress: Progress) -> Verification:
    started, at = time.perf_counter(), datetime.now(UTC)
    name = digest(backup.manifest) if backup.manifest else ""
    try:
        if backup.manifest is None:
            backup.described()
        with in_use(backup.path):
            found = await _prove(target, vault, backup, jobs or default_jobs(), progress)
    except Problem as problem:
        if problem.code not in _THE_BACKUPS_FAULT:
            raise
        why = f"{problem.what} {problem.why}"
        failed = Verification(at, False, why, name, time.perf_counter() - started)
        if backup.manifest:
            record(backup, failed, vault.keys)
        return failed
    manifest = backup.described()
    tables, indexes, amcheck, drift, read = found
    done = Verification(
        at, True, "", name, time.perf_counter() - started, tables, manifest.rows, indexes, amcheck, drift, read
    )
    record(backup, done, vault.keys)
    progress(Step(target.service.name, f"verified {backup.name}", "done"))
    return done


async def _prove(
    target: Target, vault: Vault, backup: Backup, jobs: int, progress: Progress
) -> tuple[int, int, str, tuple[str, ...] | None, int]:
    """Tables, indexes checked, why none was, drift, and tables that the service has read."""
    progress(Step(target.service.name, f"checking the files of {backup.name}"))
    manifest = check(target, vault, backup)
    async with restored(target, vault, backup, manifest, jobs=jobs, progress=progress) as fresh:
        progress(Step(target.service.name, f"checking the indexes of {backup.name}"))
        drift = await _drift(fresh)  # before amcheck, which is an extension that no migration makes
        indexes, why_not = await _check_indexes(fresh.target)
        read = await _smoke(fresh.target)
    return len(manifest.tables), indexes, why_not, drift, read


async def _drift(fresh: Fresh) -> tuple[str, ...] | None:
    """How the restored schema differs from what its migrations make; None when the code has others."""
    standing = standing_of(fresh.target, fresh.manifest)
    if standing.unknown or standing.edited:
        return None
    names = {entry.name for entry in standing.applied}
    revisions = [found for found in read_revisions(fresh.target.service.migrations) if found.name in names]
    expected = await catalog_of_migrations(fresh.target, revisions)
    return tuple(str(difference) for difference in compare(expected, await catalog_of(fresh.target)))


_CORRUPTED = ("XX001", "XX002")
"""data_corrupted, index_corrupted."""

_INDEXES = text("""
SELECT format('%I.%I', n.nspname, c.relname), c.oid
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS a ON a.oid = c.relam
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p' AND i.indisvalid
  AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
ORDER BY 1
""")


async def _check_indexes(fresh: Target) -> tuple[int, str]:
    """bt_index_check(heapallindexed) of every B-tree: how many; or why none: amcheck is no trusted extension."""
    async with login_connection(fresh, "backup verify (amcheck)", autocommit=True) as connection:
        # This may be a superuser, in a database whose owner may have made functions: only the system's own are called.
        await connection.exec_driver_sql("SET search_path = pg_catalog")
        try:
            await connection.exec_driver_sql("DROP EXTENSION IF EXISTS amcheck")
            await connection.exec_driver_sql("CREATE EXTENSION amcheck SCHEMA pg_catalog")
        except DBAPIError as error:
            return 0, reason(error)
        indexes = (await connection.execute(_INDEXES)).all()
        for name, oid in indexes:
            try:
                await connection.execute(
                    text("SELECT pg_catalog.bt_index_check(CAST(:oid AS oid), true)"), {"oid": oid}
                )
            except DBAPIError as error:
                if sqlstate(error) not in _CORRUPTED:
                    raise
                raise Problem(
                    "index_damaged", Exit.FAILED, f"The restored index {name} is not sound.", reason(error)
                ) from None
        await connection.exec_driver_sql("DROP EXTENSION amcheck")
    return len(indexes), ""


async def _smoke(fresh: Target) -> int:
    """The service signs in as itself and reads every table that it may; the seed rows find their tables."""
    try:
        async with service_connection(fresh, "backup verify (smoke test)") as connection:
            tables = await _readable(connection)
            for table in tables:
                await connection.exec_driver_sql(f"SELECT * FROM {table} LIMIT 1")  # noqa: S608 - quoted by format()
        await _seed_and_take_back(fresh)
    except DBAPIError as error:
        raise Problem(
            "smoke_test_failed", Exit.FAILED, "The service cannot work with the restored database.", reason(error)
        ) from None
    if not tables:
        raise Problem("smoke_test_failed", Exit.FAILED, "The service may read no table of the restored database.")
    return len(tables)


async def _readable(connection: AsyncConnection) -> Sequence[str]:
    found = await connection.execute(
        text("""
        SELECT format('%I.%I', nspname, relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
        WHERE relkind IN ('r', 'p') AND nspname = 'public' AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1""")
    )
    return found.scalars().all()


async def _seed_and_take_back(fresh: Target) -> None:
    """Insert the rows that every installation needs, and roll back; only where the schema is the one of the code."""
    async with owner_connection(fresh, "backup verify (smoke test)") as connection:
        history = {entry.name for entry in await read_history(connection)}
        if {revision.name for revision in read_revisions(fresh.service.migrations)} == history:
            await fresh.service.seed(connection, "reference")
        await connection.rollback()


async def require_restorable(target: Target, vault: Vault, now: datetime, younger_than: timedelta) -> Backup:
    """The newest backup of this very database that is proved to be restorable and was begun at most so long ago.

    Raises Problem `no_restorable_backup`, which says what there is and what to type.
    """
    async with maintenance_connection(target, "backup") as connection:
        server = await system_identifier(connection)
    found = [backup for backup in read_backups(vault, target.database) if _is_of(backup, target, server)]
    proved = [backup for backup in found if backup.verified and backup.verified.ok and _is_whole(backup)]
    # A clock that was wrong must not make a backup the newest one for years.
    young = [backup for backup in proved if abs(now - backup.at) <= younger_than]
    if young:
        return young[-1]
    newest, hours = (proved or found)[-1:], younger_than / timedelta(hours=1)
    folder = vault.of(target.database)
    state = "was, but is older" if proved else _why_not_proved(newest[0]) if newest else ""
    raise Problem(
        "no_restorable_backup",
        Exit.REFUSED,
        f"{target.service.name}: no backup of the last {hours:g} hours is proved to be restorable.",
        f"The newest one, {newest[0].name}, {state}." if newest else f"There is none of this server in {folder}.",
        f"Run `orion db backup {target.service.name} && orion db backup verify {target.service.name}`, and repeat.",
    )


def _why_not_proved(backup: Backup) -> str:
    if not backup.verified:
        return "was never verified"
    return "lacks files that it had" if backup.verified.ok else "failed its verification"


def _is_whole(backup: Backup) -> bool:
    return backup.manifest is not None and complete(backup.dump, backup.manifest.files)


def _is_of(backup: Backup, target: Target, server: str) -> bool:
    manifest = backup.manifest
    if manifest is None or manifest.service != target.service.name:
        return False
    return not server or not manifest.system_identifier or manifest.system_identifier == server
