"""What a deploy would do: SQL, locks, sizes, time, risk, what running code and a rollback lose. Nothing is applied."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from orion_db.catalog import Catalog
from orion_db.connections import owner_connection
from orion_db.deployment.deploy import read_pending
from orion_db.deployment.steps import StepKind
from orion_db.deployment.unfinished import Unfinished, read_unfinished
from orion_db.errors import Exit
from orion_db.lint.finding import Finding
from orion_db.lint.lint import Linting, judge
from orion_db.lint.rules import Severity
from orion_db.lint.sql import changed_tables
from orion_db.plan.compatibility import Break, compatibility
from orion_db.plan.live import Live, TableSize, Waiting, read_live
from orion_db.plan.locks import blocks
from orion_db.plan.risk import Lasts, Risk, expected_seconds, lasts, statement_risk
from orion_db.plan.words import revision_lines, size_words
from orion_db.progress import Progress, Step, silent
from orion_db.recorder import TableLock, TracedStatement
from orion_db.result import Result
from orion_db.revisions import Phase, Revision, read_revisions
from orion_db.targets import Target
from orion_db.trace import Trace, trace, unknown_revision

_WEIGHT = (Risk.LOW, Risk.MEDIUM, Risk.HIGH)


@dataclass(frozen=True)
class PlannedLock:
    """A lock that a statement takes on a table that is in use."""

    table: str
    mode: str
    blocks: str
    """What running code cannot do meanwhile."""


@dataclass(frozen=True)
class PlannedStatement:
    """A statement to come."""

    step: int
    kind: StepKind
    sql: str
    locks: tuple[PlannedLock, ...]
    still_held: tuple[PlannedLock, ...]
    """Locks of earlier statements of its transaction, as long as it lasts: those that keep running code out."""
    rewrites: tuple[str, ...]
    scans: tuple[str, ...]
    rows: int | None
    """Rows that it changes: as the live database's planner expects, or all of its table; None when it changes none."""
    lasts: Lasts | None
    """None when the size of a table could not be read."""
    risk: Risk
    reason: str


@dataclass(frozen=True)
class PlannedRevision:
    """A migration to come."""

    name: str
    purpose: str
    phase: Phase
    statements: tuple[PlannedStatement, ...]
    breaks: tuple[Break, ...]
    """What running code loses; empty when it goes on."""
    rollback_loses: tuple[str, ...]
    """What is not there any more after upgrade() and downgrade()."""
    findings: tuple[Finding, ...]
    accepted: tuple[Finding, ...]
    risk: Risk
    reasons: tuple[str, ...]
    done: int = 0
    """Steps that an earlier deploy, which was cut off, has done; `statements` are those that are left."""

    @property
    def compatible(self) -> bool:
        return not self.breaks


@dataclass(frozen=True)
class Plan(Result):
    """What a deploy would do now."""

    database: str
    revisions: tuple[PlannedRevision, ...]
    tables: tuple[TableSize, ...]
    """The tables in use that it touches."""
    waiting: tuple[Waiting, ...]
    """Who would be waited for now."""
    not_tried: tuple[str, ...] = ()
    """Migrations behind one that does not run."""

    @property
    def exit_code(self) -> Exit:
        low = all(revision.risk is Risk.LOW and not revision.findings for revision in self.revisions)
        return Exit.OK if low and not self.waiting and not self.not_tried else Exit.FOUND

    def in_words(self) -> list[str]:
        if not self.revisions:
            return ["nothing is pending"]
        lines = [f"{len(self.revisions)} migrations to come on {self.database}; nothing was applied"]
        for revision in self.revisions:
            lines += revision_lines(revision)
        lines += [f"table {size_words(size)}" for size in self.tables]
        lines += [f"not tried, as one before it does not run: {name}" for name in self.not_tried]
        return lines + [str(waiting) for waiting in self.waiting]


async def plan(target: Target, *, revisions: Collection[str] | None = None, progress: Progress = silent) -> Plan:
    """Plan the named revisions, or those that are pending. The target is only read; a scratch database is made.

    Raises Problem `unknown_revision`, those for which a deploy would refuse (`edited_migration`, `out_of_order`, …),
    `may_not_create_databases`, `squawk_missing`, and those of connecting.
    """
    known = read_revisions(target.service.migrations)
    if problem := unknown_revision(revisions or (), known):
        raise problem
    pending, unfinished = await _pending(target, known) if revisions is None else ((), None)
    chosen = [revision for revision in known if revision.name in revisions] if revisions is not None else pending
    traces = await trace(target, known, {revision.name for revision in chosen}, progress)
    linting = await judge(target, chosen, traces)
    traces = tuple(_left(found, unfinished) for found in traces)
    progress(Step(target.service.name, "looking at the tables and sessions of the database"))
    live = await _look(target, traces)
    planned = tuple(_planned(found, linting, live, _done(found, unfinished)) for found in traces)
    tables = tuple(live.sizes[table] for table in sorted(live.sizes))
    return Plan(target.service.name, target.database, planned, tables, live.waiting, linting.not_tried)


async def _pending(target: Target, known: list[Revision]) -> tuple[tuple[Revision, ...], Unfinished | None]:
    async with owner_connection(target, "plan") as connection:
        pending = await read_pending(connection, target, known)
        async with connection.begin():
            return pending, await read_unfinished(connection)


def _done(found: Trace, unfinished: Unfinished | None) -> int:
    return unfinished.done if unfinished and unfinished.name == found.revision.name else 0


def _left(found: Trace, unfinished: Unfinished | None) -> Trace:
    """The trace without the steps that an earlier deploy has done."""
    done = _done(found, unfinished)
    return replace(found, statements=tuple(statement for statement in found.statements if statement.step > done))


async def _look(target: Target, traces: Sequence[Trace]) -> Live:
    statements = [statement for found in traces for statement in found.statements]
    locks = {lock for statement in statements for lock in statement.locks}
    tables = {lock.table for lock in locks} | {table for s in statements for table in (*s.scans, *s.rewrites)}
    data = [s.sql for s in statements if s.kind != "backfill" and changed_tables(s.sql)]
    builds = any(statement.kind == "concurrent index" for statement in statements)
    return await read_live(target, tables, data, locks, builds)


def _planned(found: Trace, linting: Linting, live: Live, done: int) -> PlannedRevision:
    name = found.revision.name
    statements = tuple(_statement(statement, live) for statement in found.statements)
    breaks = compatibility(found.before, found.after)
    findings = tuple(entry for entry in linting.findings if entry.revision == name)
    risk, reasons = _revision_risk(found, statements, breaks, findings)
    return PlannedRevision(
        name,
        found.revision.purpose(),
        found.revision.phase,
        statements,
        breaks,
        _rollback_loses(found.before, found.after),
        findings,
        tuple(entry for entry in linting.accepted if entry.revision == name),
        risk,
        reasons,
        done,
    )


def _statement(statement: TracedStatement, live: Live) -> PlannedStatement:
    rows = _rows(statement, live)
    seconds = expected_seconds(statement, rows, live)
    risk, reason = statement_risk(statement, seconds, is_data=rows is not None)
    return PlannedStatement(
        statement.step,
        statement.kind,
        statement.sql,
        tuple(_lock(lock, statement.kind) for lock in statement.locks),
        tuple(
            _lock(lock, statement.kind) for lock in statement.held if lock.blocks_writes and lock not in statement.locks
        ),
        statement.rewrites,
        statement.scans,
        rows,
        lasts(seconds),
        risk,
        reason,
    )


def _lock(lock: TableLock, kind: StepKind) -> PlannedLock:
    """An index of a partitioned table shuts the parent, and does its work on the partitions when that is over."""
    brief = ", for a moment" if kind == "concurrent index" and lock.blocks_writes else ""
    return PlannedLock(lock.table, lock.mode, blocks(lock) + brief)


def _rows(statement: TracedStatement, live: Live) -> int | None:
    """What the planner expects, else all of the table; a backfill goes over it until it finds nothing."""
    if statement.sql in live.rows:
        return live.rows[statement.sql]
    sizes = [live.sizes[table] for table in changed_tables(statement.sql) if table in live.sizes]
    return sum(size.rows for size in sizes) if sizes else None


def _revision_risk(
    found: Trace, statements: Sequence[PlannedStatement], breaks: Sequence[Break], findings: Sequence[Finding]
) -> tuple[Risk, tuple[str, ...]]:
    weighed = [(statement.risk, statement.reason) for statement in statements if statement.reason]
    if found.failure:
        weighed.append((Risk.HIGH, f"it does not run: {found.failure.reason}"))
    if any(entry.lasting for entry in breaks):
        early = found.revision.phase == "pre"
        words = "running code that is there meanwhile breaks" if early else "old code must be gone before it is applied"
        weighed.append((Risk.HIGH if early else Risk.MEDIUM, words))
    elif breaks:
        weighed.append((Risk.MEDIUM, "statements that running code has prepared fail once in each connection"))
    if any(entry.severity is Severity.ERROR for entry in findings):
        weighed.append((Risk.HIGH, "lint finds errors"))
    elif findings:
        weighed.append((Risk.MEDIUM, "lint warns"))
    risk = max((risk for risk, _ in weighed), key=_WEIGHT.index, default=Risk.LOW)
    return risk, tuple(dict.fromkeys(reason for _, reason in weighed))


def _rollback_loses(before: Catalog, after: Catalog) -> tuple[str, ...]:
    """Rows and values that came with the revision go; those that it took away do not come back."""
    new = sorted(key for key in after.keys() - before.keys() if _holds_data(key, after, before))
    gone = sorted(key for key in before.keys() - after.keys() if _holds_data(key, before, after))
    lost = [f"{'rows' if kind == 'table' else 'values'} written to {name} since" for kind, name in new]
    return (
        *lost,
        *(f"{'rows' if kind == 'table' else 'values'} of {name}, gone with upgrade()" for kind, name in gone),
    )


def _holds_data(key: tuple[str, str], here: Catalog, there: Catalog) -> bool:
    """A table, or a column of a table that stays."""
    return key[0] == "table" or (key[0] == "column" and ("table", here[key]["table"]) in there)
