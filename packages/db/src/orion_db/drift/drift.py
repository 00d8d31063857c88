"""How a live database differs from what its migrations make of it, and both ways to make them agree again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orion_db.catalog import Catalog, Difference, compare
from orion_db.catalog.partitions import missing_months
from orion_db.connections import owner_connection
from orion_db.default_partitions import Stranded, read_stranded
from orion_db.deployment.failures import half_done
from orion_db.deployment.unfinished import read_unfinished
from orion_db.drift.adoption import adopt
from orion_db.drift.drifted_history import HistoryDrift, drifted_history
from orion_db.errors import Exit
from orion_db.history import compare_history, read_history
from orion_db.progress import Progress, Step, silent
from orion_db.repair import Repair, repair_between, script
from orion_db.repair.tables import months
from orion_db.result import Result, shown
from orion_db.revisions import read_revisions
from orion_db.role_drift import RoleDrift, read_role_drift
from orion_db.scratch import catalog_in
from orion_db.targets import Target


@dataclass(frozen=True)
class Drift(Result):
    """Every difference, by name, and the two repairs: SQL back to the migrations, or a migration to what is there."""

    database: str
    differences: tuple[Difference, ...]
    history: tuple[HistoryDrift, ...]
    """Where the record of applied migrations, and not the schema, is what is wrong."""
    back: Repair
    """From what is there to what the migrations make."""
    onward: Repair
    """The same the other way round: what a migration would say to make it lawful."""
    column_order: tuple[str, ...]
    """Tables whose columns stand in another order. Nothing of ours depends on it, so it is no drift."""
    migration: Path | None = None
    """The migration that was written, if one was asked for."""
    half_done: str | None = None
    """A revision of which some steps are committed. The differences may be its own, so no repair is given."""

    @property
    def exit_code(self) -> Exit:
        if self.differences or self.history:
            return Exit.DRIFTED
        return Exit.FOUND if self.half_done else Exit.OK

    @property
    def script(self) -> str:
        """`back` as one script for psql."""
        title = f"{self.database}: back to what the migrations of {self.service} make"
        unknown = f"\nNothing is printed while a migration is half done: {self.half_done}" if self.half_done else ""
        return script(self.back, title + unknown)

    def as_json(self) -> dict[str, Any]:
        return {**super().as_json(), "script": self.script}

    def in_words(self) -> list[str]:
        order = [f"for your information: the columns of {table} stand in another order" for table in self.column_order]
        if self.exit_code is Exit.OK:
            return [f"{self.database} is what the migrations make; no drift", *order]
        count = len(self.differences) + len(self.history)
        lines = [f"{count} {'difference' if count == 1 else 'differences'} from what the migrations make"]
        if self.half_done is not None:
            lines += [f"half done: {self.half_done}; what differs may be its doing, so no repair is printed"]
            lines += [f"  finish it first: orion db deploy {self.service} (or orion db rollback {self.service})"]
        lines += [f"- {entry}" for entry in (*self.differences, *self.history)]
        lines += [f"  {entry.repair}" for entry in self.history]
        if self.differences and self.half_done is None:
            lines += self._both_repairs()
        return lines + order

    def _both_repairs(self) -> list[str]:
        back = [f"Back to the migrations (`orion db drift {self.service} --sql` prints only this, for psql):"]
        back += _indented(self.script)
        if self.migration is not None:
            name = self.migration.stem
            return [
                *back,
                f"Or onward: {shown(self.migration)} says in the migrations what is there. After review:",
                f"    orion db resolve {self.service} --applied {name}",
            ]
        write = f"`orion db drift {self.service} --migration NAME` writes it; the models must then say the same"
        onward = [f"Or onward, as a migration ({write}):"]
        onward += _indented("\n".join(f"{statement.sql};" for statement in self.onward.statements))
        return back + onward + [f"    -- By hand: {entry}" for entry in self.onward.by_hand]


@dataclass(frozen=True)
class Script(Result):
    """Only the SQL that leads back."""

    text: str
    ends_with: Exit

    @classmethod
    def of(cls, found: Drift) -> "Script":
        return cls(found.service, found.script, found.exit_code)

    @property
    def exit_code(self) -> Exit:
        return self.ends_with

    def in_words(self) -> list[str]:
        return self.text.splitlines()


async def drift(target: Target, *, migration: str | None = None, progress: Progress = silent) -> Drift:
    """Compare the database with what its applied migrations make in a scratch database; nothing of it is changed.

    `migration` is the name of a migration to be written that says what is there. Raises Problem
    `schema_newer_than_code` or `revision_missing` when the database has migrations that are not here, and `half_done`
    when a migration is to be written while another is half done.
    """
    revisions = read_revisions(target.service.migrations)
    async with owner_connection(target, "drift") as connection, connection.begin():
        standing = compare_history(revisions, await read_history(connection))
        live, stranded = await catalog_in(connection), await read_stranded(connection)
        unfinished = await read_unfinished(connection)
        roles = await read_role_drift(connection, target)
    if unfinished and migration is not None:
        raise half_done(target.service, unfinished)
    progress(Step(target.service.name, "comparing the schema with what the migrations make"))
    history, expected = await drifted_history(target, revisions, standing, live, guess=unfinished is None)
    differences = differences_in(expected, live, stranded)
    nothing = Repair((), ())
    written = None
    if migration is not None and differences:
        written = await adopt(target, revisions, migration, expected, live)
    return Drift(
        target.service.name,
        target.database,
        (*differences, *(role.difference for role in roles)),
        history,
        nothing if unfinished else repair_of(expected, live, differences, roles),
        nothing if unfinished else repair_between(expected, live, runner=target.service.owner_role),
        tuple(_reordered(expected, live)),
        written,
        str(unfinished) if unfinished else None,
    )


def differences_in(expected: Catalog, live: Catalog, stranded: tuple[Stranded, ...] = ()) -> list[Difference]:
    """All differences of a live catalog, missing months among them, unless their rows went to the default partition."""
    passed_over = {entry.table for entry in stranded}
    gaps = [gap for gap in missing_months(expected, live) if gap.expected["table"] not in passed_over]
    return compare(expected, live) + gaps


def repair_of(
    expected: Catalog, live: Catalog, differences: list[Difference], roles: tuple[RoleDrift, ...] = ()
) -> Repair:
    """What leads the live database back."""
    repair = repair_between(live, expected, database=live["database", "database"]["sql"])
    parents = sorted({entry.expected["table"] for entry in differences if entry.kind == "partition"})
    made = tuple(months(live["table", parent]["sql"]) for parent in parents)
    taken = tuple(statement for role in roles for statement in role.repair)
    return Repair(repair.statements + made + taken, repair.by_hand)


def _reordered(expected: Catalog, live: Catalog) -> list[str]:
    """Tables whose common columns come in another order."""
    wanted, found = _orders(expected), _orders(live)
    return [
        table
        for table in sorted(wanted.keys() & found.keys())
        if [name for name in wanted[table] if name in found[table]]
        != [name for name in found[table] if name in wanted[table]]
    ]


def _orders(catalog: Catalog) -> dict[str, list[str]]:
    columns = [(facts["table"], facts["number"], name) for (kind, name), facts in catalog.items() if kind == "column"]
    orders: dict[str, list[str]] = {}
    for table, _, name in sorted(columns):
        orders.setdefault(table, []).append(name)
    return orders


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.splitlines()]
