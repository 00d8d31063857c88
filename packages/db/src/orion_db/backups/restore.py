"""Restoring a backup: into a fresh database first, which is proved, and only then takes the name that it is for."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.backups.files import in_use
from orion_db.backups.fresh import restored
from orion_db.backups.manifest import Manifest
from orion_db.backups.programs import default_jobs
from orion_db.backups.swap import name_before, rename, swap
from orion_db.backups.vault import Backup, Vault, check, find
from orion_db.connections import maintenance_connection, owner_connection
from orion_db.errors import Exit, Problem
from orion_db.history import Applied, Standing, compare_history
from orion_db.locks import WAIT_SECONDS, acquire
from orion_db.production import is_marked
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result
from orion_db.revisions import read_revisions
from orion_db.roles import database_owner
from orion_db.scratch import pointed_at
from orion_db.targets import Target


@dataclass(frozen=True)
class Restored(Result):
    """What a restore made, or would make (`dry_run`)."""

    backup: str
    database: str
    replaced: str | None
    """What the database that stood there is called now; None when there was none."""
    tables: int
    rows: int
    pending: tuple[str, ...]
    """Migrations of the code that the backup is older than."""
    unknown: tuple[str, ...]
    """Migrations of the backup that the code does not know: it is newer."""
    left_out: tuple[str, ...]
    dry_run: bool = False

    def in_words(self) -> list[str]:
        did = "would restore" if self.dry_run else "restored"
        lines = [f"{did} {self.backup} as {self.database}: {self.rows} rows of {self.tables} tables"]
        if not self.dry_run:
            lines.append("every table has the rows that were backed up, by count and hash")
        if self.replaced:
            lines.append(f"the one before {'would be' if self.dry_run else 'is'} kept as {self.replaced}")
        if self.pending:
            lines.append(f"{len(self.pending)} migrations are newer than it: orion db deploy {self.service}")
        lines += [f"it has a migration that this code does not: {name}" for name in self.unknown]
        return lines + [f"left out: {words}" for words in self.left_out]


async def restore(
    target: Target,
    vault: Vault,
    *,
    name: str = "latest",
    into: str | None = None,
    replace: bool = False,
    confirmation: str = "",
    production: bool = False,
    jobs: int | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
    wait_seconds: float = WAIT_SECONDS,
) -> Restored:
    """Restore the backup as the database `into` (default: the target's own).

    One that is there and holds tables is only replaced with `replace`; it is renamed and kept, and its sessions are
    ended. Where production is involved, by `production` or the mark of either database, `confirmation` must be its
    name. Raises Problem: `database_not_empty`, `not_confirmed`, `database_of_another`, `no_backup`, `unknown_backup`,
    `backup_damaged`, `backup_key_…`, `restore_failed`, `restored_differs`, `database_in_use`, `locked`.
    """
    goal = pointed_at(target, into or target.database)
    backup = find(target, vault, name)
    backup.described()
    exists = await _refuse_to_overwrite(goal, replace, production, confirmation)
    with in_use(backup.path):
        progress(Step(target.service.name, f"checking the files of {backup.name}"))
        manifest = check(target, vault, backup)
        before = name_before(goal.database, datetime.now(UTC)) if exists else None
        if dry_run:
            return _result(goal, backup, manifest, before, (), dry_run=True)
        async with restored(goal, vault, backup, manifest, jobs=jobs or default_jobs(), progress=progress) as fresh:
            await _analyze(fresh.target, progress)
            if before is None:
                await rename(goal, fresh.target.database, goal.database)
            else:
                progress(Step(target.service.name, f"putting it in the place of {goal.database}"))
                await _replace(goal, fresh.target.database, before, progress, wait_seconds)
    progress(Step(target.service.name, f"restored {goal.database}", "done"))
    return _result(goal, backup, manifest, before, fresh.left_out, dry_run=False)


async def _analyze(fresh: Target, progress: Progress) -> None:
    """No dump carries what the planner goes by, and of partitioned tables autovacuum never learns it."""
    progress(Step(fresh.service.name, "analyzing every table"))
    async with owner_connection(fresh, "restore (analyze)", autocommit=True) as connection:
        await connection.execute(text("ANALYZE"))


async def _replace(goal: Target, fresh: str, before: str, progress: Progress, wait_seconds: float) -> None:
    """Wait for a migration that is running, so as not to cut into it; then swap. Its lock goes with its database."""
    async with owner_connection(goal, "restore (lock)", autocommit=True) as connection:
        await acquire(connection, goal, progress, wait_seconds, doing=f"migration of {goal.database!r}")
    await swap(goal, fresh, goal.database, before)


async def _refuse_to_overwrite(goal: Target, replace: bool, production: bool, confirmation: str) -> bool:
    """Whether a database of that name is there. Raises the Problem that keeps it from being replaced."""
    service = goal.service
    async with maintenance_connection(goal, "restore") as connection:
        owner = await database_owner(connection, goal.database)
        if owner is None:
            return False
        marked = await is_marked(connection, goal.database)
    if owner != service.owner_role:
        raise _refused("database_of_another", goal, f"It belongs to {owner}.", "Name another one with --into.")
    if replace and (production or marked) and confirmation != goal.database:
        why = "This is production, and its name was not typed."
        raise _refused("not_confirmed", goal, why, f"Add --yes {goal.database} when you are sure.")
    async with owner_connection(goal, "restore") as connection, connection.begin():
        tables = await _tables(connection)
    if tables and not replace:
        raise _refused(
            "database_not_empty",
            goal,
            f"It holds {tables} tables.",
            f"Restore beside it (--into {goal.database}_restored), or put it in its place (--replace), which keeps "
            "the present one under another name.",
        )
    return True


async def _tables(connection: AsyncConnection) -> int:
    statement = text(
        "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    )
    return int((await connection.execute(statement)).scalar_one())


def standing_of(target: Target, manifest: Manifest) -> Standing:
    """The migrations that were applied when the backup was taken against those of the code."""
    applied = [
        Applied(entry.name, entry.checksum, applied_at=manifest.started_at, applied_by="", duration_ms=0)
        for entry in manifest.migrations
    ]
    return compare_history(read_revisions(target.service.migrations), applied)


def _result(
    goal: Target, backup: Backup, manifest: Manifest, before: str | None, left_out: tuple[str, ...], *, dry_run: bool
) -> Restored:
    standing = standing_of(goal, manifest)
    return Restored(
        goal.service.name,
        backup.name,
        goal.database,
        before,
        len(manifest.tables),
        manifest.rows,
        tuple(revision.name for revision in standing.pending),
        standing.unknown,
        left_out,
        dry_run,
    )


def _refused(code: str, goal: Target, why: str, todo: str) -> Problem:
    return Problem(
        code, Exit.REFUSED, f"The database {goal.database!r} on {goal.address()} is not overwritten.", why, todo
    )
