"""A backfill: an UPDATE of a batch of rows, repeated until it finds none, each time in a transaction of its own."""

import asyncio
import json
import math
import re
import time
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.errors import Exit, Problem
from orion_db.roles import quoted

_SKIP_LOCKED = re.compile(r"\s+SKIP\s+LOCKED\b", re.IGNORECASE)

REST_SHARE = 0.25
"""After a batch, a rest of this share of the time it took, in which replicas and autovacuum catch up."""

BATCHES_TRUSTED = 20
"""After so many batches the table is counted, to see whether the backfill finds what it has filled already."""

Batch = Callable[[str], Awaitable[int]]
"""Does one batch, in a transaction, with its record; the number of rows that it changed."""


class EndlessBackfillError(Exception):
    """More rows were changed than there are, twice over."""


async def run_backfill(statement: str, batch: Batch, all_rows: Callable[[], Awaitable[int | None]]) -> None:
    """Repeat until no row is left that the statement would change; `all_rows` as `count_rows`.

    A batch that skips locked rows finds none as long as others hold the last ones. So the end is only believed of the
    statement without SKIP LOCKED, which waits for them as any statement waits for a lock. Raises EndlessBackfillError.
    """
    waiting = without_skipping(statement)
    changed, trusted = 0, 0.0
    while True:
        started = time.monotonic()
        rows = await batch(statement) or (await batch(waiting) if waiting != statement else 0)
        if not rows:
            return
        changed, trusted = changed + rows, trusted or rows * BATCHES_TRUSTED
        if changed > trusted:
            trusted = _trusted(changed, await all_rows())
        await asyncio.sleep((time.monotonic() - started) * REST_SHARE)


def _trusted(changed: int, rows: int | None) -> float:
    """Up to how many changed rows there is nothing to be wondered at. Raises EndlessBackfillError."""
    if rows is None:
        return math.inf
    if changed > 2 * rows:
        raise EndlessBackfillError(f"It has changed {changed} rows, and the table has {rows}")
    return 2 * rows


async def count_rows(connection: AsyncConnection, statement: str) -> int | None:
    """Rows of the table that the statement changes; None of one that deletes, which comes to an end by itself."""
    told = (await connection.exec_driver_sql(f"EXPLAIN (VERBOSE, FORMAT JSON) {statement}")).scalar_one()
    plan = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
    if plan.get("Operation") not in ("Insert", "Update", "Merge"):
        return None
    table = f"{quoted(plan['Schema'])}.{quoted(plan['Relation Name'])}"
    return (await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608


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
