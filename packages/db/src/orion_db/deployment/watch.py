"""Looking at a migrating session from the connection that holds the lock: who blocks it, and how far it is."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.errors import Exit, Problem, reason, sqlstate
from orion_db.locks import Holder

_POLL_SECONDS = 0.25
_LONG_SECONDS = 2.0
"""How long a step runs before it is told that it does."""

_BLOCKERS = text("""
SELECT pid, usename, application_name, coalesce(xact_start, query_start, backend_start), left(query, 200)
FROM pg_stat_activity WHERE pid = ANY(pg_blocking_pids(:pid))
ORDER BY pid
""")

# PostgreSQL documentation, chapter 27.4. Phases have counters of their own: first blocks, then tuples, or lockers.
_PROGRESS = text("""
SELECT phase, coalesce(
  CASE WHEN lockers_total > 0 AND phase LIKE 'waiting%' THEN lockers_done::float / lockers_total END,
  CASE WHEN tuples_total > 0 AND tuples_done > 0 THEN tuples_done::float / tuples_total END,
  CASE WHEN blocks_total > 0 THEN blocks_done::float / blocks_total END)
FROM pg_stat_progress_create_index WHERE pid = :pid
UNION ALL
SELECT phase, heap_blks_scanned::float / nullif(heap_blks_total, 0) FROM pg_stat_progress_vacuum WHERE pid = :pid
UNION ALL
SELECT phase, sample_blks_scanned::float / nullif(sample_blks_total, 0) FROM pg_stat_progress_analyze WHERE pid = :pid
UNION ALL
SELECT phase, heap_blks_scanned::float / nullif(heap_blks_total, 0) FROM pg_stat_progress_cluster WHERE pid = :pid
LIMIT 1
""")

_CANCEL = text("SELECT pg_cancel_backend(:pid) WHERE cardinality(pg_blocking_pids(:pid)) > 0")

Told = Callable[[str, float | None], None]
"""Hears what the server does, and which share of it is done."""


class Watch:
    """Looks at one session at a time, while it works."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.blockers: list[Holder] = []
        """Who blocked the session when it was last seen waiting."""
        self.gave_up = False
        """Whether the session's statement was cancelled, since it had waited for too long in all."""

    @asynccontextmanager
    async def over(
        self, pid: int, *, told: Told | None = None, longest_wait_seconds: float | None = None
    ) -> AsyncGenerator[None]:
        """Watch the session for as long as the block runs. Raises Problem `lock_lost` at its end if the lock was.

        `lock_timeout` bounds each wait for a lock; a transaction that waits for one after the other while it holds the
        first keeps others waiting for the sum. `longest_wait_seconds` bounds that: the statement is cancelled.
        """
        self.blockers, self.gave_up = [], False
        ended = asyncio.Event()
        task = asyncio.create_task(self._look(pid, ended, told, longest_wait_seconds))
        try:
            yield
        finally:
            ended.set()
            await asyncio.wait([task])
        if task.exception():
            raise Problem(
                "lock_lost",
                Exit.LOCKED,
                "The connection that holds the migration lock was lost.",
                reason(task.exception() or Exception()),
                "Repeat when the server is well; it goes on where it ended.",
            )

    def __str__(self) -> str:
        return "blocked by " + ("; ".join(map(str, self.blockers)) or "a lock that was gone when we looked")

    async def _look(
        self, pid: int, ended: asyncio.Event, told: Told | None, longest_wait_seconds: float | None
    ) -> None:
        waited, began = 0.0, time.monotonic()
        looked_at = began
        while not ended.is_set():
            blockers = [Holder(*row) for row in await self._connection.execute(_BLOCKERS, {"pid": pid})]
            now = time.monotonic()
            waited, looked_at = waited + (now - looked_at if blockers else 0), now
            self.blockers = blockers or self.blockers
            if blockers and longest_wait_seconds is not None and waited > longest_wait_seconds and not self.gave_up:
                self.gave_up = await self._cancel(pid)
            if told is not None:
                await self._tell(pid, blockers, told, now - began)
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _POLL_SECONDS)

    async def _cancel(self, pid: int) -> bool:
        """Whether the session's statement could be cancelled: a login that acts as the owner role only may not."""
        try:
            return bool((await self._connection.execute(_CANCEL, {"pid": pid})).scalar())
        except DBAPIError as error:
            if sqlstate(error) != "42501":
                raise
            return False

    async def _tell(self, pid: int, blockers: list[Holder], told: Told, seconds: float) -> None:
        row = (await self._connection.execute(_PROGRESS, {"pid": pid})).first()
        if blockers:
            told(str(self), row[1] if row else None)
        elif row:
            told(row[0], row[1])
        elif seconds >= _LONG_SECONDS:  # of most statements the server tells no progress
            told(f"running for {seconds:.0f} s", None)
