"""A backfill: an UPDATE of a batch of rows, repeated until it finds none, each time in a transaction of its own."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.errors import Exit, Problem

_SKIP_LOCKED = re.compile(r"\s+SKIP\s+LOCKED\b", re.IGNORECASE)

REST_SHARE = 0.25
"""After a batch, a rest of this share of the time it took, in which replicas and autovacuum catch up."""

Batch = Callable[[str], Awaitable[int]]
"""Does one batch, in a transaction, with its record; the number of rows that it changed."""


async def run_backfill(statement: str, batch: Batch) -> None:
    """Repeat until no row is left that the statement would change.

    A batch that skips locked rows finds none as long as others hold the last ones. So the end is only believed of the
    statement without SKIP LOCKED, which waits for them as any statement waits for a lock.
    """
    waiting = without_skipping(statement)
    while True:
        started = time.monotonic()
        if not (await batch(statement) or (waiting != statement and await batch(waiting))):
            return
        await asyncio.sleep((time.monotonic() - started) * REST_SHARE)


def without_skipping(statement: str) -> str:
    """The statement, waiting for rows that others hold."""
    return _SKIP_LOCKED.sub("", statement)


async def change_rows(connection: AsyncConnection, statement: str, revision: str) -> int:
    """Run the statement; how many rows it changed. Raises Problem `backfill_unusable` when it is none that changes."""
    rows = (await connection.exec_driver_sql(statement)).rowcount
    if rows < 0 or re.match(r"\s*SELECT\b", statement, re.IGNORECASE):
        raise Problem(
            "backfill_unusable",
            Exit.REFUSED,
            f"The backfill of {revision} is no UPDATE, INSERT or DELETE.",
            "It is repeated until it changes no row, so it has to say how many it has changed.",
            "Write: UPDATE … WHERE id IN (SELECT id … WHERE … IS NULL LIMIT 5000 FOR UPDATE SKIP LOCKED).",
        )
    return rows
