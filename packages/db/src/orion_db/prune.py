"""Remove now what a service removes hourly, and what only the owner may; or say what is due."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.retention.batches import Pace, Worker
from orion_core.retention.debt import count_due
from orion_core.retention.policy import Policy, read_policy
from orion_core.retention.prune import prune as prune_tables
from orion_core.service import Service
from orion_db.connections import owner_connection
from orion_db.errors import Exit, Problem, sqlstate
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result
from orion_db.targets import Target

WAIT_SECONDS = 10.0
"""How long to wait for a service that is pruning at this moment; it rests between its batches."""


@dataclass(frozen=True)
class PrunedTable:
    """What was due in one table, and what has gone."""

    table: str
    due: int
    """Rows that were due before, those of whole months among them."""
    oldest: datetime | None
    """When the oldest of them became due, or in a table of months: was made."""
    rows: int = 0
    """Rows that have been deleted one by one."""
    partitions: tuple[str, ...] = ()
    """Months that have been dropped, with all rows in them."""
    seconds: float = 0.0
    put_off: str | None = None
    """Why something that is due is still there."""

    @property
    def rows_per_second(self) -> int:
        return int(self.rows / self.seconds) if self.seconds else 0


@dataclass(frozen=True)
class Pruning(Result):
    """What is due in one database, and what a run has removed of it."""

    database: str
    dry_run: bool
    ended: Literal["done", "stopped"]
    """Stopped: it was told to; the next run goes on."""
    tables: tuple[PrunedTable, ...]

    @property
    def exit_code(self) -> Exit:
        left = self.ended == "stopped" or any(table.put_off for table in self.tables)
        return Exit.FOUND if left else Exit.OK

    def in_words(self) -> list[str]:
        if self.dry_run:
            return [_total([table.due for table in self.tables], "due"), *map(_due_in_words, self._with(due=True))]
        first = _total([table.rows for table in self.tables], "removed")
        dropped = sum(len(table.partitions) for table in self.tables)
        first += f", {dropped} months dropped" if dropped else ""
        first += "; stopped, the next run goes on" if self.ended == "stopped" else ""
        return [first, *map(_removed_in_words, self._with(due=False))]

    def _with(self, *, due: bool) -> list[PrunedTable]:
        return [
            table for table in self.tables if (table.due if due else table.rows or table.partitions or table.put_off)
        ]


async def prune(
    target: Target,
    *,
    overrides: Mapping[str, str] | None = None,
    table: str | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
    stop: asyncio.Event | None = None,
    pace: Pace | None = None,
) -> Pruning:
    """Remove what is due from all tables of the service, or from `table`, as its owner; `dry_run` counts it only.

    `overrides` is the service's setting of retention. Set `stop` to have it end after the batch in hand. Raises Problem
    `retention_unreadable`, `no_retention`, `locked`, `not_deployed`, and those of connecting.
    """
    service = target.service
    policy = _policy(service, overrides or {}, table)
    async with owner_connection(target, "prune") as connection:
        async with connection.begin():
            now: datetime = (await connection.execute(text("SELECT now()"))).scalar_one()
        found = await _count(connection, policy, now, service, progress)
        if dry_run:
            return Pruning(service.name, target.database, True, "done", tuple(found.values()))
        return await _remove(target, connection, policy, now, found, progress, stop or asyncio.Event(), pace or Pace())


def _policy(service: Service, overrides: Mapping[str, str], table: str | None) -> Policy:
    try:
        policy = read_policy(service.metadata, overrides)
    except ValueError as error:
        raise Problem(
            "retention_unreadable",
            Exit.USAGE,
            f"{service.retention_variable} is wrong: {error}.",
            "",
            f'Correct it; an example is {service.retention_variable}={{"outbox": "60 days"}}.',
        ) from None
    chosen = tuple(due for due in policy if table in (None, due.table))
    if not chosen:
        raise Problem(
            "no_retention",
            Exit.USAGE,
            f"{service.name}: no row of {table!r} goes by its age.",
            "There is no such table, or it keeps its rows for ever (docs/retention.md).",
            f"Name one of these: {', '.join(sorted(due.table for due in policy))}.",
        )
    return chosen


async def _count(
    connection: AsyncConnection, policy: Policy, now: datetime, service: Service, progress: Progress
) -> dict[str, PrunedTable]:
    found: dict[str, PrunedTable] = {}
    for due in policy:
        progress(Step(service.name, f"counting what is due in {due.table}"))
        async with connection.begin():
            debt = await count_due(connection, due, now)
        found[due.table] = PrunedTable(due.table, debt.rows, debt.oldest)
    return found


async def _remove(
    target: Target,
    connection: AsyncConnection,
    policy: Policy,
    now: datetime,
    found: dict[str, PrunedTable],
    progress: Progress,
    stop: asyncio.Event,
    pace: Pace,
) -> Pruning:
    service, gone = target.service.name, dict.fromkeys(found, 0)

    def told(table: str, rows: int) -> None:
        gone[table] += rows
        share = min(1.0, gone[table] / found[table].due) if found[table].due else None
        progress(Step(service, f"pruning {table}: {gone[table]:,} rows", share=share))

    @asynccontextmanager
    async def begin() -> AsyncGenerator[AsyncConnection]:
        async with connection.begin():
            yield connection

    try:
        run = await prune_tables(policy, now, Worker(begin, stop, pace, WAIT_SECONDS), told)
    except DBAPIError as error:
        if sqlstate(error) not in ("42883", "42P01"):  # undefined_function, undefined_table
            raise
        raise Problem(
            "not_deployed",
            Exit.FOUND,
            f"{service}: the database lacks what pruning needs.",
            "A migration is pending.",
            f"Run `orion db deploy {service}`, then repeat.",
        ) from None
    if run.ended == "another":
        raise Problem(
            "locked",
            Exit.LOCKED,
            f"{service}: another process is pruning {target.database!r}.",
            "A running service does so every hour, and another `orion db prune` may.",
            "Wait for it and repeat, or leave it to the other.",
        )
    tables = tuple(
        replace(found[one.table], rows=one.rows, partitions=one.partitions, seconds=one.seconds, put_off=one.put_off)
        for one in run.tables
    )
    return Pruning(service, target.database, False, run.ended, tables)


def _total(rows: list[int], word: str) -> str:
    return f"{sum(rows):,} rows {word}" if sum(rows) else f"nothing {word}"


def _due_in_words(table: PrunedTable) -> str:
    since = f", the oldest of {table.oldest:%Y-%m-%d %H:%M} UTC" if table.oldest else ""
    return f"{table.table}: {table.due:,} rows{since}"


def _removed_in_words(table: PrunedTable) -> str:
    parts = [f"{table.rows:,} rows in {table.seconds:.1f} s ({table.rows_per_second:,} a second)"] if table.rows else []
    parts += [f"dropped {', '.join(table.partitions)}"] if table.partitions else []
    parts += [f"put off: {table.put_off}"] if table.put_off else []
    return f"{table.table}: {'; '.join(parts)}"
