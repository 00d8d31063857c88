"""A database taken back to an earlier revision by the `downgrade()` of those after it, the last one first."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.catalog import Catalog
from orion_db.connections import maintenance_connection, owner_connection
from orion_db.deployment.apply import Migrator, existing_tables
from orion_db.deployment.attempts import Patience
from orion_db.deployment.deploy import prepare_history
from orion_db.deployment.failures import half_done
from orion_db.deployment.steps import steps
from orion_db.deployment.unfinished import Unfinished, read_unfinished
from orion_db.deployment.watch import Watch
from orion_db.errors import Exit, Problem
from orion_db.history import compare_history, read_history, refuse_unless_clean
from orion_db.locks import WAIT_SECONDS, exclusive
from orion_db.production import is_marked
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result
from orion_db.revisions import Revision, named, read_revisions
from orion_db.roles import quoted
from orion_db.scratch import catalog_of, catalog_of_migrations
from orion_db.targets import Target


@dataclass(frozen=True)
class Lost:
    """Rows, or values of a column, that a rollback deletes."""

    name: str
    """Of the table, or `table.column`."""
    rows: int

    def __str__(self) -> str:
        return f"{self.rows} {'values' if '.' in self.name else 'rows'} of {self.name}"


@dataclass(frozen=True)
class Rollback(Result):
    """Revisions that were taken back, or (`dry_run`) would be."""

    database: str
    reverted: tuple[tuple[str, int], ...]
    """Names and durations in milliseconds, in the order in which it was done."""
    steps: tuple[str, ...]
    """Of a dry run: what would be done."""
    lost: tuple[Lost, ...]
    """What was deleted with it; nothing when it was not looked at, since rows may be discarded."""
    dry_run: bool = False

    def in_words(self) -> list[str]:
        if not self.reverted:
            return ["nothing to take back"]
        would = "would be " if self.dry_run else ""
        names = ", ".join(name for name, _ in self.reverted)
        return [f"{would}taken back: {names}", *self.steps, *(f"{would}lost: {lost}" for lost in self.lost)]


async def rollback(
    target: Target,
    *,
    to: str | None = None,
    count: int | None = None,
    discard_rows: bool = False,
    confirmation: str = "",
    production: bool = False,
    dry_run: bool = False,
    progress: Progress = silent,
    wait_seconds: float = WAIT_SECONDS,
    patience: Patience | None = None,
) -> Rollback:
    """Take back what was applied after the revision `to`, or the last `count` revisions, or everything.

    Raises Problem `production_database` without the database's name as confirmation, `rows_would_be_lost`, and those of
    `deploy`.
    """
    revisions = read_revisions(target.service.migrations)
    if not dry_run:
        await _check_production(target, confirmation, production=production)
    async with (
        exclusive(target, "rollback", progress, wait_seconds) as lock,
        owner_connection(target, "rollback") as connection,
    ):
        if not dry_run:
            await prepare_history(connection, target)
        chosen, unfinished = await _chosen(connection, target, revisions, to, count)
        lost = () if discard_rows and not dry_run else await _lost(connection, target, revisions, chosen, progress)
        if lost and not discard_rows and not dry_run:
            raise _refused(target, lost)
        if dry_run:
            told = await _told(connection, chosen, unfinished)
            reverted = tuple((revision.name, 0) for revision in chosen)
            return Rollback(target.service.name, target.database, reverted, told, lost, dry_run)
        migrator = Migrator(target, connection, Watch(lock), progress, patience or Patience())
        return Rollback(target.service.name, target.database, await _revert_all(migrator, chosen), (), lost)


async def _check_production(target: Target, confirmation: str, *, production: bool) -> None:
    if confirmation == target.database:
        return
    async with maintenance_connection(target, "rollback") as connection:
        production = production or await is_marked(connection, target.database)
    if production:
        raise Problem(
            "production_database",
            Exit.REFUSED,
            f"{target.database!r} on {target.address()} is a production database; it was not rolled back.",
            "A rollback takes away what running code may need, and what was written since.",
            f"Look at it first (--dry-run), take a backup, and pass --yes {target.database}.",
        )


async def _chosen(
    connection: AsyncConnection, target: Target, revisions: list[Revision], to: str | None, count: int | None
) -> tuple[tuple[Revision, ...], Unfinished | None]:
    """The applied revisions that go, the last one first; and what there is of taking that one back already.

    Raises Problem `half_done` when the last one has to be finished first.
    """
    async with connection.begin():
        standing = compare_history(revisions, await read_history(connection))
        unfinished = await read_unfinished(connection)
    refuse_unless_clean(target.service, standing)
    if unfinished and unfinished.direction == "upgrade":
        is_there = unfinished.name in {revision.name for revision in revisions}
        raise half_done(target.service, unfinished, without_file=not is_there)
    names = {entry.name for entry in standing.applied}
    applied = [revision for revision in revisions if revision.name in names]
    if to is not None:
        last = named(revisions, to)
        if last.name not in names:
            raise Problem(
                "not_applied",
                Exit.USAGE,
                f"{target.service.name}: {last.name} is not applied, so nothing can be taken back to it.",
                "",
                f"Applied are: {', '.join(revision.name for revision in applied) or 'none'}.",
            )
        return tuple(reversed(applied[applied.index(last) + 1 :])), unfinished
    return tuple(reversed(applied))[:count], unfinished


async def _lost(
    connection: AsyncConnection,
    target: Target,
    revisions: list[Revision],
    chosen: Sequence[Revision],
    progress: Progress,
) -> tuple[Lost, ...]:
    """Rows and values in what the earlier schema has no place for."""
    if not chosen:
        return ()
    progress(Step(target.service.name, "looking for rows that would be lost"))
    async with connection.begin():
        names = {entry.name for entry in await read_history(connection)} - {revision.name for revision in chosen}
    earlier = await catalog_of_migrations(target, [revision for revision in revisions if revision.name in names])
    return await _counted(connection, await catalog_of(target), earlier)


async def _counted(connection: AsyncConnection, live: Catalog, earlier: Catalog) -> tuple[Lost, ...]:
    tables = {name for kind, name in live if kind == "table" and (kind, name) not in earlier}
    columns = [name for kind, name in live if kind == "column" and (kind, name) not in earlier]
    queries = {
        name: f"SELECT count(*) FROM {_sql(live, 'table', name)}"  # noqa: S608 - names from the catalog, quoted
        for name in sorted(tables)
        if "bound" not in live["table", name]  # a partition's rows are its parent's
    }
    for name in sorted(columns):
        table, _, column = name.rpartition(".")
        if table not in tables and "generated" not in live["column", name]:
            queries[name] = f"SELECT count({quoted(column)}) FROM {_sql(live, 'table', table)}"  # noqa: S608
    found: list[Lost] = []
    for name, query in queries.items():
        async with connection.begin():
            found.append(Lost(name, (await connection.execute(text(query))).scalar_one()))
    return tuple(lost for lost in found if lost.rows)


def _sql(catalog: Catalog, kind: str, name: str) -> str:
    return str(catalog[kind, name]["sql"])


def _refused(target: Target, lost: Sequence[Lost]) -> Problem:
    return Problem(
        "rows_would_be_lost",
        Exit.REFUSED,
        f"{target.service.name}: nothing was taken back, since that would delete {', '.join(map(str, lost))}.",
        "The earlier schema has no place for them.",
        f"Take a backup (orion db backup {target.service.name}), and repeat with --discard-rows.",
    )


async def _told(
    connection: AsyncConnection, chosen: Sequence[Revision], unfinished: Unfinished | None
) -> tuple[str, ...]:
    """The steps to come, without those that an earlier rollback has done."""
    async with connection.begin():
        existing = await existing_tables(connection)
    told: list[str] = []
    for revision in chosen:
        left = steps(revision, existing, "downgrade")
        if unfinished and unfinished.name == revision.name:
            left = unfinished.steps[unfinished.done :]
        told += [f"{revision.name}: {step}" for step in left]
    return tuple(told)


async def _revert_all(migrator: Migrator, chosen: Sequence[Revision]) -> tuple[tuple[str, int], ...]:
    reverted: list[tuple[str, int]] = []
    service = migrator.target.service.name
    for revision in chosen:
        migrator.progress(Step(service, f"taking back {revision.name}"))
        milliseconds = await migrator.revert(revision)
        if milliseconds is not None:
            reverted.append((revision.name, milliseconds))
            migrator.progress(Step(service, f"took back {revision.name} in {milliseconds} ms", "done"))
    return tuple(reverted)
