"""What revisions do, statement by statement, seen on a scratch database: locks, rewrites, scans, catalogs.

PostgreSQL itself is asked after each statement, in the same transaction, so nothing here guesses from the SQL. Tables
are empty there: what is told is which locks are taken, and whether a table is read or written anew, not how long it
takes. Only what existed before the revision counts: nobody else uses what the revision itself makes.
"""

import time
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.catalog import Catalog
from orion_db.connections import owner_connection
from orion_db.errors import Exit, Problem, reason, sqlstate
from orion_db.history import KEPT
from orion_db.index_statements import CreateIndex, DropIndex, bare, read_index_statement
from orion_db.progress import Progress, Step, silent
from orion_db.revisions import Revision
from orion_db.scratch import catalog_in, migrate_scratch, scratch_database
from orion_db.steps import MigrationStep, StepKind, steps
from orion_db.targets import Target

LOCK_MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
"""From the weakest to the strongest (PostgreSQL documentation, table 13.2)."""

CONCURRENT = "SHARE UPDATE EXCLUSIVE"
"""What CONCURRENTLY, VALIDATE and VACUUM take: reads and writes go on."""

_RELATIONS = text("""
SELECT c.oid::bigint, c.oid::regclass::text, c.relname,
  CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::regclass::text ELSE c.oid::regclass::text END,
  c.relkind IN ('r', 'p', 'm')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""")

_INDEX_TABLES = text("""
SELECT i.relname, x.indrelid::bigint FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
WHERE x.indrelid = ANY(CAST(:relations AS oid[]))
""")

_NOW = text("""
SELECT r::bigint, pg_relation_filenode(r)::bigint, pg_stat_get_xact_numscans(r)::bigint, ARRAY(
  SELECT mode FROM pg_locks WHERE locktype = 'relation' AND relation = r AND granted AND pid = pg_backend_pid())
FROM unnest(CAST(:relations AS oid[])) AS r
""")


@dataclass(frozen=True)
class TableLock:
    """A lock on a table (view, sequence), or on a table and its partitions."""

    table: str
    mode: str
    """One of LOCK_MODES."""

    @property
    def strength(self) -> int:
        return LOCK_MODES.index(self.mode)

    @property
    def blocks_writes(self) -> bool:
        return self.strength >= LOCK_MODES.index("SHARE")

    @property
    def blocks_reads(self) -> bool:
        return self.mode == "ACCESS EXCLUSIVE"


@dataclass(frozen=True)
class TracedStatement:
    """One statement, and what it did to tables that existed before its revision."""

    step: int
    """Number of its step in the revision, from 1."""
    kind: StepKind
    sql: str
    """As a deploy executes it."""
    rows: int | None
    """Rows that it wrote on the scratch database; None when it is no INSERT, UPDATE, DELETE or MERGE."""
    milliseconds: float
    locks: tuple[TableLock, ...] = ()
    """Those that it took, or made stronger."""
    held: tuple[TableLock, ...] = ()
    """All that its transaction had at its end."""
    rewrites: tuple[str, ...] = ()
    """Tables whose every row was written anew (or thrown away)."""
    scans: tuple[str, ...] = ()
    """Tables that were read from one end to the other."""


@dataclass(frozen=True)
class Failure:
    """Why a revision does not run."""

    sql: str
    sqlstate: str
    reason: str


@dataclass(frozen=True)
class Trace:
    """One revision, applied to what the revisions before it make."""

    revision: Revision
    statements: tuple[TracedStatement, ...]
    existing: frozenset[str]
    """Tables, views and sequences that were there before it; outside of schema public with their schema."""
    before: Catalog = field(repr=False)
    after: Catalog = field(repr=False)
    """As before when the revision failed."""
    failure: Failure | None = None


async def trace(
    target: Target, revisions: Sequence[Revision], names: Collection[str], progress: Progress = silent
) -> tuple[Trace, ...]:
    """Trace the named revisions on a scratch database of the target's server; the target itself is not touched.

    Those before the first named one are only applied. The first that fails is the last that is traced.
    """
    first = next((number for number, revision in enumerate(revisions) if revision.name in names), len(revisions))
    last = max((number for number, revision in enumerate(revisions) if revision.name in names), default=-1)
    traces: list[Trace] = []
    if last < 0:
        return ()
    async with scratch_database(target) as scratch:
        await migrate_scratch(scratch, list(revisions[:first]))
        async with owner_connection(scratch, "trace") as connection:
            for revision in revisions[first : last + 1]:
                progress(Step(target.service.name, f"trying {revision.name} on a scratch database"))
                before = traces[-1].after if traces else await _catalog(connection)
                traces.append(await _traced(scratch, connection, revision, before))
                if traces[-1].failure:
                    break
    return tuple(trace for trace in traces if trace.revision.name in names or trace.failure)


async def _catalog(connection: AsyncConnection) -> Catalog:
    async with connection.begin():
        return await catalog_in(connection)


async def _traced(scratch: Target, connection: AsyncConnection, revision: Revision, before: Catalog) -> Trace:
    relations = await _read_relations(connection)
    found = Trace(revision, (), relations.existing, before, before)
    recorder = _Recorder(relations)
    try:
        for number, step in enumerate(steps(revision, relations.bare_names), start=1):
            recorder.step, recorder.kind = number, step.kind
            await _run_step(scratch, connection, revision, step, recorder)
    except (DBAPIError, Problem) as error:
        failure = _failure(error)
        return replace(found, statements=tuple(recorder.statements), failure=failure)
    return replace(found, statements=tuple(recorder.statements), after=await _catalog(connection))


def _failure(error: DBAPIError | Problem) -> Failure:
    if isinstance(error, Problem):
        return Failure("", error.code, f"{error.what} {error.why}".strip())
    return Failure(error.statement or "", sqlstate(error), reason(error))


async def _run_step(
    scratch: Target, connection: AsyncConnection, revision: Revision, step: MigrationStep, recorder: "_Recorder"
) -> None:
    if step.kind == "concurrent index":
        await _run_index_step(connection, step.statements[0], recorder)
    elif step.kind == "out of transaction":
        await _run_outside(scratch, connection, step.statements[0], recorder)
    elif step.statements:
        async with _recorded(connection, recorder):
            for statement in step.statements:
                await connection.exec_driver_sql(statement)
    else:  # it asks the database what to do, so only running it tells
        async with _recorded(connection, recorder):
            await connection.run_sync(revision.upgrade)


async def _run_index_step(connection: AsyncConnection, statement: str, recorder: "_Recorder") -> None:
    """Build or drop it in a plain transaction, which ends in the same catalog, and tell what a deploy does."""
    index = read_index_statement(statement)
    assert index is not None
    plain = statement
    if isinstance(index, CreateIndex):
        unique = "UNIQUE INDEX" if index.unique else "INDEX"
        plain = f"CREATE {unique} {index.name} ON {index.table} {index.rest}"
        shown = f"CREATE {unique} CONCURRENTLY {index.name} ON {index.table} {index.rest}"
        tables = recorder.relations.named(index.table)
    else:
        shown = f"DROP INDEX CONCURRENTLY {', '.join(index.names)}"
        plain = f"DROP INDEX {', '.join(index.names)}"
        tables = recorder.relations.indexed_by(index)
    started = time.perf_counter()
    async with connection.begin():
        await connection.exec_driver_sql(plain)
    recorder.note_outside(shown, tables, started, scans=tables if isinstance(index, CreateIndex) else ())


async def _run_outside(scratch: Target, connection: AsyncConnection, statement: str, recorder: "_Recorder") -> None:
    """In a transaction of its own, where its locks can be seen, unless PostgreSQL refuses to run it in one."""
    try:
        async with _recorded(connection, recorder):
            await connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if sqlstate(error) != "25001":  # active_sql_transaction
            raise
        started = time.perf_counter()
        async with owner_connection(scratch, "trace", autocommit=True) as outside:
            await outside.exec_driver_sql(statement)
        recorder.note_outside(statement, recorder.relations.mentioned(statement), started)


@dataclass(frozen=True)
class _Relation:
    name: str
    bare_name: str
    root: str
    has_rows: bool


@dataclass(frozen=True)
class _Relations:
    """What exists before a revision, by oid."""

    by_oid: Mapping[int, _Relation]
    index_tables: Mapping[str, int]

    @property
    def existing(self) -> frozenset[str]:
        return frozenset(relation.name for relation in self.by_oid.values())

    @property
    def bare_names(self) -> set[str]:
        return {relation.bare_name for relation in self.by_oid.values() if relation.has_rows}

    def named(self, written: str) -> tuple[str, ...]:
        name = bare(written)
        return tuple(sorted({r.name for r in self.by_oid.values() if r.bare_name == name}))[:1]

    def indexed_by(self, index: DropIndex) -> tuple[str, ...]:
        oids = {self.index_tables[bare(name)] for name in index.names if bare(name) in self.index_tables}
        return tuple(sorted({self.by_oid[oid].name for oid in oids}))

    def mentioned(self, statement: str) -> tuple[str, ...]:
        words = set(statement.replace("(", " ").replace(")", " ").replace('"', "").replace(",", " ").split())
        return tuple(sorted({r.name for r in self.by_oid.values() if r.has_rows and words & {r.name, r.bare_name}}))


async def _read_relations(connection: AsyncConnection) -> _Relations:
    async with connection.begin():
        rows = [row for row in await connection.execute(_RELATIONS) if row[2] not in KEPT]
        by_oid = {row[0]: _Relation(*row[1:]) for row in rows}
        indexes = await connection.execute(_INDEX_TABLES, {"relations": list(by_oid)})
        return _Relations(by_oid, {str(name): int(table) for name, table in indexes})


@dataclass(frozen=True)
class _Seen:
    """What PostgreSQL says of a relation at one moment."""

    file: int | None
    scans: int
    mode: int
    """Place in LOCK_MODES of the strongest lock held; -1 without one."""


class _Recorder:
    """Notes what the migrating connection executes, and asks after each statement what it has done."""

    def __init__(self, relations: _Relations) -> None:
        self.relations = relations
        self.statements: list[TracedStatement] = []
        self.step = 0
        self.kind: StepKind = "transaction"
        self._last: dict[int, _Seen] = {}
        self._started = 0.0
        self._asking = False

    def begin(self, connection: Connection) -> None:
        self._last = self._look(connection)

    @contextmanager
    def listening(self, connection: Connection) -> Generator[None]:
        handlers = {"before_cursor_execute": self._before, "after_cursor_execute": self._after}
        for name, handler in handlers.items():
            event.listen(connection, name, handler)
        try:
            yield
        finally:
            for name, handler in handlers.items():
                event.remove(connection, name, handler)

    def note_outside(self, sql: str, tables: tuple[str, ...], started: float, *, scans: tuple[str, ...] = ()) -> None:
        """A statement outside of any transaction, whose locks cannot be seen: the documentation tells them."""
        locks = tuple(TableLock(table, CONCURRENT) for table in tables)
        elapsed = (time.perf_counter() - started) * 1000
        self.statements.append(TracedStatement(self.step, self.kind, sql, None, elapsed, locks, locks, scans=scans))

    def _before(self, *_: Any) -> None:
        if not self._asking:
            self._started = time.perf_counter()

    def _after(
        self, connection: Connection, cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool
    ) -> None:
        if self._asking:
            return
        elapsed = (time.perf_counter() - self._started) * 1000
        words = statement.split(maxsplit=1)
        writes = bool(words) and words[0].upper() in ("INSERT", "UPDATE", "DELETE", "MERGE", "WITH")
        rows = cursor.rowcount if writes and cursor.rowcount >= 0 else None
        before, now = self._last, self._look(connection)
        self._last = now
        self.statements.append(
            TracedStatement(
                self.step,
                self.kind,
                statement.strip(),
                rows,
                elapsed,
                self._locks({oid: seen for oid, seen in now.items() if seen.mode > before[oid].mode}),
                self._locks(now),
                self._names(now, lambda oid: now[oid].file not in (None, before[oid].file)),
                self._names(now, lambda oid: now[oid].scans > before[oid].scans),
            )
        )

    def _look(self, connection: Connection) -> dict[int, _Seen]:
        self._asking = True
        try:
            rows = connection.execute(_NOW, {"relations": list(self.relations.by_oid)})
            return {
                oid: _Seen(file, scans or 0, max((_strength(mode) for mode in modes), default=-1))
                for oid, file, scans, modes in rows
            }
        finally:
            self._asking = False

    def _locks(self, seen: Mapping[int, _Seen]) -> tuple[TableLock, ...]:
        """Of a table and its partitions the strongest that the table has; a partition's own where it is stronger."""
        strongest: dict[str, int] = {}
        relations = self.relations.by_oid
        for oid in sorted(seen, key=lambda oid: relations[oid].name != relations[oid].root):
            relation, mode = relations[oid], seen[oid].mode
            if mode >= 0 and mode > strongest.get(relation.root, -1):
                strongest[relation.name] = max(mode, strongest.get(relation.name, -1))
        return tuple(TableLock(table, LOCK_MODES[mode]) for table, mode in sorted(strongest.items()))

    def _names(self, seen: Mapping[int, _Seen], chosen: Callable[[int], bool]) -> tuple[str, ...]:
        """The chosen ones as locks name them: a partition by its table's name, unless it has a lock of its own."""
        locked = {lock.table for lock in self._locks(seen)}
        relations = [self.relations.by_oid[oid] for oid in seen if chosen(oid)]
        return tuple(sorted({r.name if r.name in locked else r.root for r in relations if r.has_rows}))


@asynccontextmanager
async def _recorded(connection: AsyncConnection, recorder: _Recorder) -> AsyncGenerator[None]:
    """A transaction whose statements are noted."""
    async with connection.begin():
        await connection.run_sync(recorder.begin)
        sync_connection = connection.sync_connection
        assert sync_connection is not None
        with recorder.listening(sync_connection):
            yield


def _strength(mode: str) -> int:
    """Place of a mode in LOCK_MODES, as pg_locks writes it: AccessExclusiveLock."""
    return next(number for number, name in enumerate(LOCK_MODES) if name.title().replace(" ", "") + "Lock" == mode)


def unknown_revision(names: Collection[str], revisions: Sequence[Revision]) -> Problem | None:
    """The Problem of a name that is no revision's, if there is one."""
    known = [revision.name for revision in revisions]
    unknown = [name for name in names if name not in known]
    if not unknown:
        return None
    return Problem(
        "unknown_revision",
        Exit.USAGE,
        f"There is no migration {unknown[0]!r}.",
        "",
        f"There are: {', '.join(known) or 'none'}.",
    )
