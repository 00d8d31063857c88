"""One look at what goes on in a database: counters to compare with the next look, and who is doing what."""

import time
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.observe.figures import one_line
from orion_db.observe.statements import OWN, Counting, StatementFigures, statements_in
from orion_db.observe.stats import TableFigures, read_tables
from orion_db.targets import Target

COUNTED_STATEMENTS = 200
"""Those that took the most time are compared between two looks."""


@dataclass(frozen=True)
class Counters:
    """Of the database since its statistics began; `wal_bytes` of the whole server since it was made."""

    commits: int
    rollbacks: int
    rows_returned: int
    rows_fetched: int
    rows_written: int
    blocks_hit: int
    blocks_read: int
    temporary_bytes: int
    deadlocks: int
    wal_bytes: int


@dataclass(frozen=True)
class SessionSeen:
    """A session that is doing something, or has a transaction open."""

    pid: int
    login: str
    application: str
    state: str
    waits_for: str | None
    """PostgreSQL's wait event: `Lock: transactionid`."""
    statement_seconds: float
    transaction_seconds: float
    blocked_by: tuple[int, ...]
    sql: str


@dataclass(frozen=True)
class Sample:
    """One look."""

    taken: float
    """Seconds of a monotonic clock."""
    counters: Counters
    connections: int
    most_connections: int
    sessions: tuple[SessionSeen, ...]
    tables: tuple[TableFigures, ...]
    statements: tuple[StatementFigures, ...] | None


_COUNTERS = text(f"""
SELECT {OWN}
  xact_commit, xact_rollback, tup_returned, tup_fetched, tup_inserted + tup_updated + tup_deleted,
  blks_hit, blks_read, temp_bytes, deadlocks,
  CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') END::bigint
FROM pg_stat_database WHERE datname = current_database()
""")  # noqa: S608 - our own mark

_CONNECTIONS = text(f"""
SELECT {OWN} count(*), current_setting('max_connections')::integer
FROM pg_stat_activity WHERE backend_type = 'client backend'
""")  # noqa: S608 - our own mark

_SESSIONS = text(f"""
SELECT {OWN}
  pid, coalesce(usename, ''), coalesce(application_name, ''), state,
  wait_event_type || ': ' || wait_event,
  coalesce(extract(epoch FROM clock_timestamp() - query_start), 0)::float8,
  coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::float8,
  CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{{}}' END,
  left(query, 1000)
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'
ORDER BY xact_start NULLS LAST, pid
""")  # noqa: S608 - our own mark


async def take_sample(target: Target, connection: AsyncConnection, counting: Counting | None) -> Sample:
    """Look. The connections must be in autocommit: in a transaction the statistics would stand still."""
    counters = Counters(*(await connection.execute(_COUNTERS)).one())
    taken = time.monotonic()
    connections, most = (await connection.execute(_CONNECTIONS)).one()
    sessions = [
        SessionSeen(*row[:7], blocked_by=tuple(row[7]), sql=one_line(row[8] or ""))
        for row in await connection.execute(_SESSIONS)
    ]
    tables = await read_tables(connection)
    statements = await statements_in(counting, target.database, "total", COUNTED_STATEMENTS) if counting else None
    return Sample(
        taken=taken,
        counters=counters,
        connections=connections,
        most_connections=most,
        sessions=tuple(sessions),
        tables=tuple(tables),
        statements=None if statements is None else tuple(statements),
    )
