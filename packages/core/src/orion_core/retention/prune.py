"""Letting go of what an installation no longer keeps, table by table."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from orion_core.background import pause
from orion_core.database_faults import sqlstate
from orion_core.retention.batches import (
    ATTEMPTS,
    AnotherPrunesError,
    Batches,
    Worker,
    delete,
    passing,
)
from orion_core.retention.debt import month_condition, month_floor, row_condition
from orion_core.retention.declarations import Rows
from orion_core.retention.policy import Due, Policy

Told = Callable[[str, int], None]
"""Hears the table and how many of its rows have just gone."""

_DROP = text("SELECT drop_oldest_partition(to_regclass(:table), :before)")

_MAY_DELETE = text("SELECT has_table_privilege(:table, 'DELETE')")

_APPEND_ONLY = "23001"
"""restrict_violation, which the trigger of an append-only table raises for everybody."""


@dataclass
class Pruned:
    """What has gone from one table."""

    table: str
    rows: int = 0
    partitions: tuple[str, ...] = ()
    """Months that were dropped, with whatever was in them; not counted among `rows`."""
    seconds: float = 0.0
    put_off: str | None = None
    """Why something that is due is still there; the next run tries again."""


@dataclass(frozen=True)
class Run:
    """What one run over the tables came to."""

    tables: tuple[Pruned, ...]
    ended: Literal["done", "stopped", "another"]
    """Done; stopped because it was told to; left to another process that prunes."""


async def prune(policy: Policy, now: datetime, worker: Worker, told: Told = lambda _, __: None) -> Run:
    """Remove what is due at `now`. Any number may do it at once, and one of them will; it can be killed at any moment.

    Raises DBAPIError of what has nothing to do with others being at work.
    """
    tables: list[Pruned] = []
    try:
        for due in policy:
            if worker.stop.is_set():
                break
            tables.append(pruned := Pruned(due.table))
            began = time.monotonic()
            try:
                await _prune_table(due, now, worker, pruned, told)
            finally:
                pruned.seconds = time.monotonic() - began
    except AnotherPrunesError:
        return Run(tuple(tables), "another")
    return Run(tuple(tables), "stopped" if worker.stop.is_set() else "done")


async def _prune_table(due: Due, now: datetime, worker: Worker, pruned: Pruned, told: Told) -> None:
    def count(rows: int) -> None:
        pruned.rows += rows
        told(due.table, rows)

    before = due.before(now)
    if isinstance(due.rule, Rows):
        pruned.put_off = await delete(expired(due, before), worker, count)
        return
    if due.rule.write_down:
        async with worker.alone() as connection:
            await connection.execute(text(due.rule.write_down), {"floor": month_floor(before)})
    await _drop_months(due, before, worker, pruned)
    if pruned.put_off is None and not worker.stop.is_set():
        await _delete_stranded(due, before, worker, pruned, count)


async def _drop_months(due: Due, before: datetime, worker: Worker, pruned: Pruned) -> None:
    """One month after the other, oldest first; see `house.DROP_OLDEST_PARTITION`."""
    failures = 0
    while not worker.stop.is_set():
        try:
            async with worker.alone() as connection:
                name = (await connection.execute(_DROP, {"table": due.table, "before": before})).scalar_one()
        except DBAPIError as error:
            failures += 1
            if (reason := passing(error)) is None:
                raise
            if failures == ATTEMPTS:
                pruned.put_off = reason
                return
            await pause(worker.stop, 0.2 * 2**failures)
            continue
        if name is None:
            return
        failures, pruned.partitions = 0, (*pruned.partitions, name)


async def _delete_stranded(
    due: Due, before: datetime, worker: Worker, pruned: Pruned, count: Callable[[int], None]
) -> None:
    """Rows of months that are over, and stand in the default partition because theirs was not ready.

    The months themselves are gone by now, so nothing else is read. Who may not delete leaves them to the owner.
    """
    async with worker.alone() as connection:
        if not (await connection.execute(_MAY_DELETE, {"table": due.table})).scalar_one():
            return
    batches = stranded(due, before)
    try:
        pruned.put_off = await delete(batches, worker, count)
    except DBAPIError as error:
        if sqlstate(error) != _APPEND_ONLY:
            raise
        pruned.put_off = (
            "rows in the default partition of an append-only table go only with a month of their own; "
            "`orion db doctor --only rows-in-default-partition` prints how to give them one"
        )


def stranded(due: Due, before: datetime) -> Batches:
    """Those rows, in batches."""
    values = {"floor": month_floor(before)}
    return Batches(due.table, "id", "id", month_condition(due), values, within="id < :floor", start=UUID(int=0))


def expired(due: Due, before: datetime) -> Batches:
    """Rows that go by themselves, in batches."""
    assert isinstance(due.rule, Rows)
    return Batches(due.table, "ctid", due.rule.column, row_condition(due.rule), {"before": before})
