"""One migration, one way: what became of the catalog and of the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.catalog import Catalog, compare
from orion_db.deployment.apply import Migrator
from orion_db.errors import Exit, Problem
from orion_db.revisions import Direction, Revision
from orion_db.scratch import catalog_in
from orion_db.up_down_up.rows import (
    Carried,
    Column,
    ColumnKey,
    Content,
    carried,
    count_discarded,
    gone,
    read_columns,
    read_contents,
)


@dataclass(frozen=True)
class State:
    """The schema at a point of the course, as the migrations build it from nothing."""

    catalog: Catalog
    columns: Mapping[ColumnKey, Column]


@dataclass(frozen=True)
class Carriage:
    """What one run of a migration, one way, did to the rows that were there."""

    direction: Direction
    milliseconds: int
    rows: int
    """In the tables that are there before and after."""
    discarded: dict[str, int]
    """By what was dropped: rows of a table, values of a column that were not null."""
    changed: tuple[str, ...]
    """Tables whose rows an upgrade has changed in columns that stay, as one does that corrects data."""
    findings: tuple[str, ...]
    astray: bool
    """Whether the schema is not what it should be after it, so that nothing more can be tried from there."""


@dataclass(frozen=True)
class Trial:
    """A migration's runs, in order: down, up; before them the first up, when it met real rows."""

    revision: str
    runs: tuple[Carriage, ...]

    @property
    def findings(self) -> tuple[str, ...]:
        return tuple(f"{run.direction} {found}" for run in self.runs for found in run.findings)

    def milliseconds(self, direction: Direction) -> int:
        """Of the first run that way."""
        return next((run.milliseconds for run in self.runs if run.direction == direction), 0)


async def carry(
    migrator: Migrator, revision: Revision, direction: Direction, states: tuple[State, State], known: frozenset[str]
) -> Carriage:
    """Run the migration and compare. `states` are those that it leads from and to; `known` differences do not count.

    Raises Problem `migration_test_failed`, which names the migration and the direction.
    """
    connection, (here, there) = migrator.connection, states
    tables = carried(here.columns, there.columns)
    async with connection.begin():
        before = await read_contents(connection, ((t.before, [old for old, _ in t.columns]) for t in tables))
        discarded = await count_discarded(connection, gone(here.columns, there.columns))
    milliseconds = await _run(migrator, revision, direction)
    async with connection.begin():
        differences = compare(there.catalog, await catalog_in(connection))
        comparable = await _still_there(connection, tables)
        after = await read_contents(connection, ((t.after, [new for _, new in t.columns]) for t in comparable))
    astray = [f"does not lead where it should: {found}" for found in differences if str(found) not in known]
    findings = astray + _lost(comparable, before, after)
    changed = tuple(t.after for t in comparable if _is_changed(before[t.before], after[t.after]))
    if direction == "downgrade":
        findings += [f"changes rows of {table} in columns that stay" for table in changed]
        changed = ()
    rows = sum(content.rows for content in before.values())
    return Carriage(direction, milliseconds, rows, discarded, changed, tuple(findings), bool(astray))


async def _still_there(connection: AsyncConnection, tables: Sequence[Carried]) -> list[Carried]:
    """Those that can be read: where the schema is not as it should be, that is told as such."""
    found = {(column.table, column.name) for column in (await read_columns(connection)).values()}
    names = {table for table, _ in found}
    return [t for t in tables if t.after in names and all((t.after, new) in found for _, new in t.columns)]


def _lost(tables: Sequence[Carried], before: Mapping[str, Content], after: Mapping[str, Content]) -> list[str]:
    return [
        f"{t.after} had {before[t.before].rows} rows and has {after[t.after].rows}"
        for t in tables
        if before[t.before].rows != after[t.after].rows
    ]


def _is_changed(before: Content, after: Content) -> bool:
    return before.rows == after.rows and before.hashed != after.hashed


async def _run(migrator: Migrator, revision: Revision, direction: Direction) -> int:
    step = migrator.apply if direction == "upgrade" else migrator.revert
    try:
        return await step(revision) or 0
    except Problem as problem:
        if problem.exit_code is not Exit.FAILED:
            raise
        raise Problem(
            "migration_test_failed",
            Exit.FAILED,
            f"{migrator.target.service.name}: the {direction} of {revision.name} fails on the rows that there are.",
            problem.why,
            f"Correct {direction}() in {revision.file.name}. What was tried is dropped; no database was touched.",
        ) from problem
