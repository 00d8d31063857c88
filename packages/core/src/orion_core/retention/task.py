"""Pruning while a service runs, so that nobody has to think of it."""

import asyncio
import random
import time

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_core.background import pause
from orion_core.database import Database
from orion_core.metrics import ROWS_DUE, ROWS_PRUNED, TABLES_PRUNED_AT
from orion_core.retention.batches import Pace, Worker, transactions
from orion_core.retention.debt import count_due
from orion_core.retention.policy import Policy
from orion_core.retention.prune import Run, prune

HOUR_SECONDS = 3_600.0

COUNTED = 100_000
"""Rows that are due are counted up to here: more would not say more, and would cost more."""

log = structlog.get_logger()


async def keep_pruned(
    database: Database, policy: Policy, stop: asyncio.Event, *, every: float = HOUR_SECONDS, pace: Pace | None = None
) -> None:
    """About every hour until `stop`, remove what is due. Of many processes one does it, whichever comes first.

    The first time soon after the start: a service that is deployed every half hour has to prune, too.
    """
    await pause(stop, every / 12 * random.random())  # noqa: S311
    while not stop.is_set():
        try:
            await prune_once(database, policy, stop, pace)
        except (SQLAlchemyError, OSError) as error:
            log.warning("retention.put_off", reason=str(getattr(error, "orig", None) or error))
        await pause(stop, every * random.uniform(0.9, 1.1))  # noqa: S311


async def prune_once(database: Database, policy: Policy, stop: asyncio.Event, pace: Pace | None = None) -> Run:
    """One run over all tables, by the database's clock: one of ours that is wrong must not make anything due."""
    now = await database.now()
    worker = Worker(transactions(database), stop, pace or Pace())
    run = await prune(policy, now, worker, lambda table, rows: ROWS_PRUNED.labels(table).inc(rows))
    for pruned in run.tables:
        if pruned.rows or pruned.partitions:
            log.info("retention.pruned", table=pruned.table, rows=pruned.rows, partitions=pruned.partitions)
        if pruned.put_off:
            log.warning("retention.put_off", table=pruned.table, reason=pruned.put_off)
    if run.ended == "done":
        TABLES_PRUNED_AT.set(time.time())
        for due in policy:
            async with database.autocommit() as connection:
                ROWS_DUE.labels(due.table).set((await count_due(connection, due, now, limit=COUNTED)).rows)
    return run
