"""Bring a database to the newest revision, or back to an earlier one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.house import MONTHS_AHEAD
from orion_core.partitions import ENSURE, PARENTS
from orion_db.backups import Vault, require_restorable
from orion_db.connections import owner_connection
from orion_db.default_partitions import Stranded, read_stranded
from orion_db.deployment.apply import Migrator
from orion_db.deployment.attempts import LOCK_TIMEOUT_MS, Patience
from orion_db.deployment.checks import Check, check
from orion_db.deployment.failures import half_done
from orion_db.deployment.unfinished import read_unfinished
from orion_db.deployment.watch import Watch
from orion_db.errors import permissions_explained, sqlstate
from orion_db.history import compare_history, create_history, read_history, refuse_unless_clean
from orion_db.locks import WAIT_SECONDS, exclusive
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result
from orion_db.revisions import Phase, Revision, named, read_revisions
from orion_db.targets import Target

BACKUP_AGE = timedelta(days=1)
"""How old the backup may be that a deploy asks for: one of the last night will do."""


@dataclass(frozen=True)
class Deployment(Result):
    """What a deploy did to one database."""

    database: str
    applied: tuple[tuple[str, int], ...]
    """Names and durations in milliseconds, in order. Those that another deploy applied meanwhile are not ours."""
    partitions_made: tuple[tuple[str, int], ...]
    partitions_put_off: tuple[str, ...] = ()
    """Tables whose partitions could not be made because the table was locked; the next deploy does it."""
    stranded: tuple[Stranded, ...] = ()
    """Tables with rows in their default partition; a month that has such gets no partition of its own."""
    later: tuple[str, ...] = ()
    """Pending revisions that were not wanted yet: after the one named, or for after the new code (phase `post`)."""

    def in_words(self) -> list[str]:
        count, milliseconds = len(self.applied), sum(duration for _, duration in self.applied)
        lines = [f"{count} migrations applied in {milliseconds} ms" if count else self._nothing()]
        lines += [f"{number} partitions made for {table}" for table, number in self.partitions_made]
        lines += [f"partitions of {table} put off: the table was locked" for table in self.partitions_put_off]
        lines += [f"left for later: {name}" for name in self.later]
        return lines + [str(found) for found in self.stranded]

    def _nothing(self) -> str:
        return "nothing to apply now" if self.later else "up to date"


async def deploy(
    target: Target,
    *,
    progress: Progress = silent,
    wait_seconds: float = WAIT_SECONDS,
    patience: Patience | None = None,
    up_to: str | None = None,
    phase: Phase | None = None,
    checks: Collection[Check] = (),
    backups: Vault | None = None,
) -> Deployment:
    """Apply the pending revisions (up to the one named), step by step, and make partitions ahead.

    With `backups`, nothing is applied unless a backup there is young and proved to be restorable.
    In the phase `pre`, the first pending revision that is for after the new code (`post`) ends it. What was cut off is
    finished. Any number may run at once: one applies, the others wait for it and find nothing to do. Raises Problem:
    `locked`, `blocked`, `edited_migration`, `schema_newer_than_code`, `revision_missing`, `out_of_order`, `two_heads`,
    `migration_failed`, `permission_missing`, `half_done`, those of the checks, and those of connecting.
    """
    revisions = read_revisions(target.service.migrations)
    async with (
        exclusive(target, "deploy", progress, wait_seconds) as lock,
        owner_connection(target, "deploy") as connection,
    ):
        await prepare_history(connection, target)
        pending = await read_pending(connection, target, revisions)
        now = chosen(pending, revisions, up_to, phase)
        if backups is not None and now:
            await require_restorable(target, backups, datetime.now(UTC), BACKUP_AGE)
        await check(target, connection, now, checks, progress)
        migrator = Migrator(target, connection, Watch(lock), progress, patience or Patience())
        applied = await _apply_all(migrator, now)
        made, put_off = await _make_partitions(connection)
        async with connection.begin():
            stranded = await read_stranded(connection)
    later = tuple(revision.name for revision in pending if revision not in now)
    return Deployment(target.service.name, target.database, applied, made, put_off, stranded, later)


async def prepare_history(connection: AsyncConnection, target: Target) -> None:
    """Have the tables that this tool keeps, as they are today. Raises Problem `permission_missing`."""
    with permissions_explained(f"create tables in {target.database!r}", target.login):
        async with connection.begin():
            await create_history(connection, target.service)


async def read_pending(connection: AsyncConnection, target: Target, revisions: list[Revision]) -> tuple[Revision, ...]:
    """What is not applied yet. Raises the Problem that keeps anything from being applied, if there is one."""
    async with connection.begin():
        standing = compare_history(revisions, await read_history(connection))
        found = await read_unfinished(connection)
    refuse_unless_clean(target.service, standing)
    if found and found.name not in {revision.name for revision in revisions}:
        raise half_done(target.service, found, without_file=True)
    if found and (found.direction == "downgrade" or found.name not in {revision.name for revision in standing.pending}):
        raise half_done(target.service, found)
    return standing.pending


def chosen(
    pending: Sequence[Revision], revisions: list[Revision], up_to: str | None, phase: Phase | None
) -> tuple[Revision, ...]:
    """The pending revisions that are to be applied now. Raises Problem `unknown_revision`."""
    if up_to is not None:
        last = named(revisions, up_to)
        pending = [revision for revision in pending if revision.number <= last.number]
    return tuple(pending if phase != "pre" else takewhile(lambda revision: revision.phase == "pre", pending))


async def _apply_all(migrator: Migrator, pending: tuple[Revision, ...]) -> tuple[tuple[str, int], ...]:
    service, applied = migrator.target.service.name, list[tuple[str, int]]()
    for revision in pending:
        migrator.progress(Step(service, f"applying {revision.name}"))
        duration = await migrator.apply(revision)
        if duration is not None:
            applied.append((revision.name, duration))
            migrator.progress(Step(service, f"applied {revision.name} in {duration} ms", "done"))
    return tuple(applied)


async def _make_partitions(connection: AsyncConnection) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...]]:
    """Make this month's and the coming months' partitions of every table that is cut by its UUIDv7 key."""
    async with connection.begin():
        parents = (await connection.execute(PARENTS)).scalars().all()
    made: list[tuple[str, int]] = []
    put_off: list[str] = []
    for parent in parents:
        try:
            async with connection.begin():
                await connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
                count = await connection.execute(ENSURE, {"parent": parent, "months": MONTHS_AHEAD})
                made.append((parent, count.scalar_one()))
        except DBAPIError as error:
            if sqlstate(error) != "55P03":
                raise
            put_off.append(parent)
    return tuple((parent, count) for parent, count in made if count), tuple(put_off)
