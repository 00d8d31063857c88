"""What the live database says of the tables that a plan touches: sizes, rows, who holds them. Nothing is changed."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.connections import maintenance_connection, owner_connection
from orion_db.errors import sqlstate
from orion_db.observe.figures import one_line
from orion_db.plan.locks import conflicts
from orion_db.recorder import LOCK_MODES, TableLock
from orion_db.targets import Target

LONG_SECONDS = 1.0
"""A transaction this old is told as one to wait for; younger ones end by themselves."""

_ASSUMED_ROW_BYTES = 100
_LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '1s'")

_TREE = text("""
SELECT c.oid::regclass::text, member::bigint FROM pg_class AS c,
  unnest(ARRAY[c.oid] || ARRAY(SELECT relid::oid FROM pg_partition_tree(c.oid) WHERE relid <> c.oid)) AS member
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S') AND c.oid::regclass::text = ANY(:tables)
""")

_SIZES = text("""
SELECT c.oid::regclass::text, sum(greatest(m.reltuples, 0))::bigint, bool_or(m.reltuples < 0 AND m.relkind <> 'p'),
  sum(pg_table_size(m.oid))::bigint, sum(pg_total_relation_size(m.oid))::bigint
FROM pg_class AS c,
  unnest(ARRAY[c.oid] || ARRAY(SELECT relid::oid FROM pg_partition_tree(c.oid) WHERE relid <> c.oid)) AS member
  JOIN pg_class AS m ON m.oid = member
WHERE c.relkind IN ('r', 'p', 'm') AND c.oid::regclass::text = ANY(:tables)
GROUP BY c.oid
""")

_HOLDERS = text("""
SELECT l.relation::bigint, a.pid, a.usename, a.application_name, a.state, a.xact_start, left(a.query, 200),
  array_agg(DISTINCT l.mode)
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'relation' AND l.granted AND l.relation = ANY(CAST(:relations AS oid[]))
  AND l.database = (SELECT oid FROM pg_database WHERE datname = :database)
  -- Autovacuum steps aside for whoever waits for it, unless it saves the database from wraparound.
  AND (a.backend_type <> 'autovacuum worker' OR a.query LIKE '%to prevent wraparound%')
  AND (a.xact_start IS NULL OR a.xact_start < clock_timestamp() - make_interval(secs => :seconds))
GROUP BY 1, 2, 3, 4, 5, 6, 7
""")

_OLD_SNAPSHOTS = text("""
SELECT pid, usename, application_name, state, xact_start, left(query, 200) FROM pg_stat_activity
WHERE datname = :database AND pid <> pg_backend_pid() AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
  AND xact_start < clock_timestamp() - make_interval(secs => :seconds)
""")


@dataclass(frozen=True)
class TableSize:
    """A table that a plan touches, with all its partitions."""

    table: str
    rows: int
    """As PostgreSQL estimates them; from the bytes where it has never counted."""
    table_bytes: int
    """Without indexes."""
    total_bytes: int


@dataclass(frozen=True)
class Waiting:
    """A session that a deploy would have to wait for at this moment."""

    table: str
    """"" of one that a concurrent index build waits for, whatever it has read."""
    mode: str
    """The lock that it holds."""
    wanted: str
    """The lock that the plan takes."""
    pid: int
    login: str | None
    application: str
    state: str | None
    since: datetime | None
    query: str

    def __str__(self) -> str:
        since = f" since {self.since:%Y-%m-%d %H:%M:%S %Z}" if self.since else ""
        holds = (
            f"holds {self.mode} on {self.table}" if self.table else "is older than the index build that waits for it"
        )
        return (
            f"would wait for pid {self.pid} ({self.application or 'no application name'}, login {self.login}, "
            f"{self.state or 'state unknown'}{since}), which {holds}: {one_line(self.query)}"
        )


@dataclass(frozen=True)
class Live:
    """The live database at one moment."""

    sizes: Mapping[str, TableSize]
    unknown: tuple[str, ...] = ()
    """Tables whose size could not be read since somebody has shut them."""
    rows: Mapping[str, int] = field(default_factory=dict[str, int])
    """By statement: the rows that PostgreSQL expects it to change."""
    waiting: tuple[Waiting, ...] = ()


async def read_live(
    target: Target, tables: Collection[str], data_statements: Sequence[str], locks: Collection[TableLock], builds: bool
) -> Live:
    """Look at these tables; `builds` is whether an index is built concurrently, which waits for old transactions."""
    async with owner_connection(target, "plan") as connection:
        async with connection.begin():
            oids = {int(oid): str(name) for name, oid in await connection.execute(_TREE, {"tables": list(tables)})}
        sizes = await _read_sizes(connection, set(oids.values()))
        rows = {sql: count for sql in data_statements if (count := await _expected_rows(connection, sql)) is not None}
    async with maintenance_connection(
        target, "plan"
    ) as connection:  # the login sees more of others than the owner role
        waiting = await _read_waiting(connection, target.database, oids, locks)
        if builds:
            waiting += await _read_snapshots(connection, target.database, {entry.pid for entry in waiting})
    return Live(sizes, tuple(sorted(set(oids.values()) - sizes.keys())), rows, tuple(waiting))


async def _read_sizes(connection: AsyncConnection, tables: Collection[str]) -> dict[str, TableSize]:
    """One by one: a table that somebody has shut keeps only its own size from us."""
    found: dict[str, TableSize] = {}
    for table in sorted(tables):
        try:
            async with connection.begin():
                await connection.execute(_LOCK_TIMEOUT)
                row = (await connection.execute(_SIZES, {"tables": [table]})).first()
        except DBAPIError as error:
            if sqlstate(error) != "55P03":
                raise
            continue
        if row:
            _, rows, never_counted, table_bytes, total_bytes = row
            rows = max(rows, table_bytes // _ASSUMED_ROW_BYTES) if never_counted else rows
            found[table] = TableSize(table, rows, table_bytes, total_bytes)
    return found


async def _expected_rows(connection: AsyncConnection, sql: str) -> int | None:
    """What the planner expects; None when the statement needs what is not there yet. It is planned and not run."""
    try:
        async with connection.begin() as transaction:
            await connection.execute(_LOCK_TIMEOUT)
            await connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            told = (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}")).scalar_one()
            await transaction.rollback()
    except DBAPIError:
        return None
    document = json.loads(told) if isinstance(told, str) else told
    plan = document[0]["Plan"]
    return int(plan["Plans"][0]["Plan Rows"]) if "Plans" in plan else int(plan["Plan Rows"])


async def _read_waiting(
    connection: AsyncConnection, database: str, oids: Mapping[int, str], locks: Collection[TableLock]
) -> list[Waiting]:
    found: dict[tuple[int, str], Waiting] = {}
    values = {"relations": list(oids), "database": database, "seconds": LONG_SECONDS}
    for oid, pid, login, application, state, since, query, modes in await connection.execute(_HOLDERS, values):
        table = oids[oid]
        for lock in (lock for lock in locks if lock.table == table):
            held = [mode for mode in map(_named, modes) if conflicts(lock.mode, mode)]
            if held:
                held_most = max(held, key=LOCK_MODES.index)
                waiting = Waiting(table, held_most, lock.mode, pid, login, application, state, since, query)
                found.setdefault((pid, table), waiting)
    return sorted(found.values(), key=lambda entry: (entry.table, entry.pid))


async def _read_snapshots(connection: AsyncConnection, database: str, known: set[int]) -> list[Waiting]:
    rows = await connection.execute(_OLD_SNAPSHOTS, {"database": database, "seconds": LONG_SECONDS})
    return [Waiting("", "", "", *row) for row in rows if row[0] not in known]


def _named(mode: str) -> str:
    """A mode as LOCK_MODES has it, from AccessExclusiveLock as pg_locks does."""
    return next(name for name in LOCK_MODES if name.title().replace(" ", "") + "Lock" == mode)
