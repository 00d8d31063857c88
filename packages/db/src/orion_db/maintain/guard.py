"""Looking around while maintenance is at work: whether it must end, wait, or let somebody pass."""

import asyncio
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.doctor.advice import span
from orion_db.errors import Exit, Problem
from orion_db.locks import lock_holder
from orion_db.maintain.limits import Limits

KEY = int.from_bytes(b"orimain")
"""Advisory lock of whoever maintains a database; not the one of migrations, which may be taken meanwhile."""


class Guard:
    """Sees for one maintenance, on an autocommit connection of the login itself."""

    def __init__(self, connection: AsyncConnection, limits: Limits, stop: asyncio.Event) -> None:
        self._connection = connection
        self._limits = limits
        self.stop = stop

    async def enter(self) -> None:
        """Be the only one who maintains this database. Raises Problem `locked`."""
        if (await self._connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": KEY})).scalar_one():
            return
        row = (await self._connection.execute(_HOLDER, {"key": KEY})).first()
        who = f"pid {row.pid}, login {row.usename}, since {row.backend_start:%H:%M:%S %Z}" if row else "a session"
        raise Problem(
            "locked",
            Exit.LOCKED,
            "Somebody else maintains this database already.",
            f"It is {who}.",
            "Wait for it to end, or end it: its connection is called `orion db maintain`.",
        )

    def over(self) -> str | None:
        """Why nothing more is begun."""
        if self.stop.is_set():
            return "told to stop"
        if self._limits.until is not None and datetime.now(UTC) >= self._limits.until:
            return f"the time is over ({self._limits.until:%H:%M:%S %Z})"
        return None

    async def busy(self) -> str | None:
        """Why it should wait: a deploy, a loaded server, replicas that are behind."""
        if holder := await lock_holder(self._connection):
            return f"a migration is running: {holder}"
        row = (await self._connection.execute(_LOAD)).one()
        if self._limits.max_load is not None and row.active > self._limits.max_load:
            return f"{row.active} sessions are at work, more than {self._limits.max_load}"
        if row.lag is not None and row.lag.total_seconds() > self._limits.max_lag_seconds:
            return f"a replica is {span(row.lag)} behind"
        return None

    async def waits_for(self, pid: int) -> str | None:
        """Who waits for that session of ours."""
        row = (await self._connection.execute(_WAITING, {"pid": pid})).first()
        return f"pid {row.pid} ({row.application_name or 'no application name'}) waits for it" if row else None

    async def progress(self, pid: int) -> float | None:
        """How much of its work that session has done, from 0 to 1, where PostgreSQL tells."""
        return (await self._connection.execute(_PROGRESS, {"pid": pid})).scalar()

    async def cancel(self, pid: int) -> None:
        """End that session's statement; what it leaves behind is for its caller to clean."""
        await self._connection.execute(text("SELECT pg_cancel_backend(:pid)"), {"pid": pid})


_HOLDER = text("""
SELECT a.pid, a.usename, a.backend_start
FROM pg_locks AS l
JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32) | l.objid::bigint = :key
""")

# Who is no member of pg_monitor sees no state of others' sessions; those that hold a snapshot are at work.
_LOAD = text("""
SELECT
  (
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name NOT LIKE 'orion db %'
      AND (state = 'active' AND backend_type = 'client backend' OR state IS NULL AND backend_xmin IS NOT NULL)
  ) AS active,
  (SELECT max(replay_lag) FROM pg_stat_replication) AS lag
""")

_WAITING = text("""
SELECT a.pid, a.application_name
FROM pg_stat_activity AS a
WHERE a.pid <> :pid AND :pid = ANY (pg_blocking_pids(a.pid)) AND a.backend_type <> 'autovacuum worker'
LIMIT 1
""")

_PROGRESS = text("""
SELECT heap_blks_scanned::float / nullif(heap_blks_total, 0) FROM pg_stat_progress_vacuum WHERE pid = :pid
UNION ALL
SELECT coalesce(tuples_done::float / nullif(tuples_total, 0), blocks_done::float / nullif(blocks_total, 0))
FROM pg_stat_progress_create_index WHERE pid = :pid
UNION ALL
SELECT sample_blks_scanned::float / nullif(sample_blks_total, 0) FROM pg_stat_progress_analyze WHERE pid = :pid
""")
