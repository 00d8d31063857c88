"""Removing what is due, so that nobody notices: small transactions, short locks, and a rest after each.

Every transaction first takes an advisory lock, or leaves when somebody else has it: one process prunes a database at a
time, and a killed one holds nothing. (A lock of the session would stay behind on a pooled connection.)
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.background import pause
from orion_core.database import Database
from orion_core.database_faults import sqlstate

PRUNING_LOCK = 0x6F72696F6E03
"""Advisory lock of whoever prunes; advisory locks are per database."""

LOCK_TIMEOUT_MS = 300
"""How long a statement may queue for a lock, others queueing behind it."""

PASSING = {
    "55P03": "a lock was not to be had",
    "40P01": "a deadlock",
    "57014": "a statement took too long",
    "40001": "rows were changed meanwhile",
    "23503": "a row that refers to it came meanwhile",
}
"""SQLSTATEs of what may go well the next time (PostgreSQL documentation, appendix A), and words for them."""

ATTEMPTS = 5

# Planned anew each time, by the values at hand, and never as a scan of the whole table, however wrong the statistics of
# a table are that has just grown by a million rows; a bitmap would be of all that is due, for each batch again.
_SETTLE = text(f"""
SELECT pg_try_advisory_xact_lock(:key),
  set_config('lock_timeout', '{LOCK_TIMEOUT_MS}ms', true), set_config('statement_timeout', '10s', true),
  set_config('plan_cache_mode', 'force_custom_plan', true),
  set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)
""")

Begin = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""Opens a transaction, committed at the end of the block."""


class AnotherPrunesError(Exception):
    """Another process is at it."""


@dataclass(frozen=True)
class Pace:
    """How hard to work. The defaults leave room for others on a small server."""

    batch_seconds: float = 0.02
    """How long a batch should take; its size is made to fit."""
    rest: float = 2.0
    """How long to rest after a batch, as a multiple of what it took."""
    first: int = 200
    smallest: int = 20
    largest: int = 2_000

    def next(self, size: int, seconds: float) -> int:
        """The size after a batch of `size` that took `seconds`; it grows twofold at most."""
        fitting = int(size * self.batch_seconds / max(seconds, 0.000_1))
        return min(self.largest, max(self.smallest, min(size * 2, fitting)))


@dataclass
class Worker:
    """Opens transactions one after the other, until it is told to stop."""

    begin: Begin
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    pace: Pace = field(default_factory=Pace)
    wait_seconds: float = 0.0
    """How long to wait for another process that prunes, before leaving the work to it."""

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction in which nobody else prunes. Raises AnotherPrunesError."""
        deadline = time.monotonic() + self.wait_seconds
        while True:
            async with self.begin() as connection:
                if (await connection.execute(_SETTLE, {"key": PRUNING_LOCK})).one()[0]:
                    yield connection
                    return
            if time.monotonic() >= deadline:
                raise AnotherPrunesError
            await asyncio.sleep(0.02)


def transactions(database: Database) -> Begin:
    """The transactions of a service."""

    @asynccontextmanager
    async def begin() -> AsyncGenerator[AsyncConnection]:
        async with database.transaction() as transaction:
            yield transaction.connection

    return begin


@dataclass(frozen=True)
class Batches:
    """What is to be deleted from one table, in the order of one column.

    `key` finds a row again inside the statement: its place in the file (ctid), or in a table of several files its id.
    """

    table: str
    key: str
    column: str
    where: str
    values: dict[str, Any]
    within: str = "true"
    """Of a table of several files: which of them can be left out, as SQL by `values`."""
    start: object = datetime(1, 1, 1, tzinfo=UTC)
    """Less than any value of the column."""

    @property
    def statement(self) -> str:
        """Delete the first rows from `:from` on, passing over those that others have locked.

        Going on from where the last batch ended: what it deleted is still in the index until a vacuum, and to read
        over it each time would cost more with every batch.
        """
        return f"""
WITH gone AS (
  DELETE FROM {self.table} WHERE {self.key} = ANY (ARRAY(
    SELECT {self.key} FROM {self.table}
    WHERE {self.column} >= :from AND {self.where}
    ORDER BY {self.column} LIMIT :size FOR UPDATE SKIP LOCKED
  )) AND {self.within}
  RETURNING {self.column} AS place
)
SELECT count(*), (SELECT place FROM gone ORDER BY place DESC LIMIT 1) FROM gone
"""  # noqa: S608 - names and conditions are the declarations'


async def delete(batches: Batches, worker: Worker, told: Callable[[int], None]) -> str | None:
    """Delete batch after batch; `told` hears how many each time. Gives the reason when the table has to be put off.

    Raises AnotherPrunesError, and DBAPIError of what will not pass.
    """
    size, start, failures = worker.pace.first, batches.start, 0
    while not worker.stop.is_set():
        try:
            async with worker.alone() as connection:
                began = time.monotonic()  # waiting for a connection says nothing of the batch
                values = {**batches.values, "from": start, "size": size}
                count, last = (await connection.execute(text(batches.statement), values)).one()
        except DBAPIError as error:
            failures += 1
            if (reason := passing(error)) is None:
                raise
            if failures == ATTEMPTS:
                return reason
            size = max(worker.pace.smallest, size // 4)
            await pause(worker.stop, 0.2 * 2**failures)
            continue
        seconds = time.monotonic() - began
        told(count)
        if count < size:
            return None
        failures, start, size = 0, last, worker.pace.next(size, seconds)
        await pause(worker.stop, seconds * worker.pace.rest)
    return None


def passing(error: DBAPIError) -> str | None:
    """Words for an error that may go well the next time; None for any other."""
    return PASSING.get(sqlstate(error))
