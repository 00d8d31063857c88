"""What a migrating connection executes, and what PostgreSQL says, in the same transaction, that each statement did."""

import time
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.deployment.index_statements import DropIndex, bare
from orion_db.deployment.steps import StepKind
from orion_db.history import KEPT

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
  c.relkind IN ('r', 'p', 'm'), c.relkind = 'p'
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
class Relation:
    """A table, view or sequence that existed before."""

    name: str
    """As SQL writes it: with its schema outside of public."""
    bare_name: str
    root: str
    """Of a partition the table at the top; else its own name."""
    has_rows: bool
    partitioned: bool


@dataclass(frozen=True)
class Relations:
    """What exists before a revision, by oid."""

    by_oid: Mapping[int, Relation]
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

    def partitioned(self, tables: Collection[str]) -> bool:
        return any(relation.partitioned for relation in self.by_oid.values() if relation.name in tables)

    def indexed_by(self, index: DropIndex) -> tuple[str, ...]:
        oids = {self.index_tables[bare(name)] for name in index.names if bare(name) in self.index_tables}
        return tuple(sorted({self.by_oid[oid].name for oid in oids}))

    def mentioned(self, statement: str) -> tuple[str, ...]:
        words = set(statement.replace("(", " ").replace(")", " ").replace('"', "").replace(",", " ").split())
        return tuple(sorted({r.name for r in self.by_oid.values() if r.has_rows and words & {r.name, r.bare_name}}))


async def read_relations(connection: AsyncConnection) -> Relations:
    """What the database has now, less what this tool keeps for itself."""
    async with connection.begin():
        rows = [row for row in await connection.execute(_RELATIONS) if row[2] not in KEPT]
        by_oid = {row[0]: Relation(*row[1:]) for row in rows}
        indexes = await connection.execute(_INDEX_TABLES, {"relations": list(by_oid)})
        return Relations(by_oid, {str(name): int(table) for name, table in indexes})


@dataclass(frozen=True)
class _Seen:
    """What PostgreSQL says of a relation at one moment."""

    file: int | None
    scans: int
    mode: int
    """Place in LOCK_MODES of the strongest lock held; -1 without one."""


class Recorder:
    """Notes what the migrating connection executes, and asks after each statement what it has done."""

    def __init__(self, relations: Relations) -> None:
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

    def note_outside(
        self,
        sql: str,
        tables: tuple[str, ...],
        started: float,
        *,
        scans: tuple[str, ...] = (),
        taken: str = CONCURRENT,
    ) -> None:
        """A statement outside of any transaction, whose locks cannot be seen: the documentation tells them."""
        locks, held = (tuple(TableLock(table, mode) for table in tables) for mode in (taken, CONCURRENT))
        elapsed = (time.perf_counter() - started) * 1000
        self.statements.append(TracedStatement(self.step, self.kind, sql, None, elapsed, locks, held, scans=scans))

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


def _strength(mode: str) -> int:
    """Place of a mode in LOCK_MODES, as pg_locks writes it: AccessExclusiveLock."""
    return next(number for number, name in enumerate(LOCK_MODES) if name.title().replace(" ", "") + "Lock" == mode)
