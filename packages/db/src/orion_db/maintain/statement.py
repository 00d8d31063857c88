"""Running one statement of maintenance so that it can be broken off, and leaving nothing behind when it is."""

import asyncio
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.connections import owner_connection
from orion_db.errors import reason
from orion_db.maintain.guard import Guard
from orion_db.progress import Progress, Step
from orion_db.targets import Target

LOCK_TIMEOUT_MS = 2000
"""For what locks out others: all queue behind it while it waits."""

PATIENT_LOCK_TIMEOUT_MS = 60_000
"""For what runs beside reads and writes: a build waits for older transactions, and nobody for it but DDL."""

POLL_SECONDS = 0.5
BUSY_POLLS = 10
"""A statement is broken off when the server was too busy that often in a row."""


async def run(target: Target, statement: str, table: str, guard: Guard, progress: Progress) -> str | None:
    """Run the statement as the owner, outside of a transaction. None when it is done, otherwise why it is not.

    An index that it leaves INVALID is dropped.
    """
    async with owner_connection(target, "maintain", autocommit=True) as connection:
        before = await _invalid_indexes(connection, table)
        failed = await _run_guarded(connection, target, statement, guard, progress)
        if failed and "CONCURRENTLY" in statement:
            await _drop_new(connection, table, before)
    return failed


async def _run_guarded(
    connection: AsyncConnection, target: Target, statement: str, guard: Guard, progress: Progress
) -> str | None:
    gentle = any(word in statement for word in ("CONCURRENTLY", "VACUUM", "ANALYZE"))
    timeout = PATIENT_LOCK_TIMEOUT_MS if gentle else LOCK_TIMEOUT_MS
    await connection.execute(text(f"SET lock_timeout = {timeout}"))
    await connection.execute(text("SET vacuum_cost_delay = '2ms'"))  # as autovacuum does; a manual one has none
    pid: int = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    running = asyncio.create_task(connection.exec_driver_sql(statement))
    broken_off: str | None = None
    try:
        broken_off = await _watch(running, pid, guard, Told(target, statement, progress))
    finally:
        if not running.done():
            await _cancel(running, pid, guard)
    try:
        await running
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        return broken_off or reason(error)
    return None


async def _cancel(running: asyncio.Task[Any], pid: int, guard: Guard) -> None:
    try:
        await guard.cancel(pid)
    except SQLAlchemyError:  # the guard's connection is lost, and often the other with it
        running.cancel()
    await asyncio.wait([running])


class Told:
    """Tells how far a statement is."""

    def __init__(self, target: Target, statement: str, progress: Progress) -> None:
        self._service = target.service.name
        self._statement = statement
        self._progress = progress

    def share(self, share: float | None) -> None:
        self._progress(Step(self._service, self._statement, share=share or 0))


async def _watch(running: asyncio.Task[Any], pid: int, guard: Guard, told: Told) -> str | None:
    """Look around until the statement ends; why it must be broken off, if it must."""
    busy_polls, waited_for = 0, False
    while not running.done():
        told.share(await guard.progress(pid))
        await asyncio.wait(
            [running, stopping := asyncio.create_task(guard.stop.wait())],
            timeout=POLL_SECONDS,
            return_when=asyncio.FIRST_COMPLETED,
        )
        stopping.cancel()
        if running.done():
            return None
        if over := guard.over():
            return over
        waiting = await guard.waits_for(pid)
        if waiting and waited_for:  # seen twice: not just passing
            return waiting
        waited_for = waiting is not None
        busy = await guard.busy()
        busy_polls = busy_polls + 1 if busy else 0
        if busy and busy_polls >= BUSY_POLLS:
            return busy
    return None


async def _invalid_indexes(connection: AsyncConnection, table: str) -> set[str]:
    return set((await connection.execute(_INVALID, {"table": table})).scalars())


async def _drop_new(connection: AsyncConnection, table: str, before: set[str]) -> None:
    """Drop what the statement left. What another session builds meanwhile holds the table's lock, and is let be."""
    for index in await _invalid_indexes(connection, table) - before:
        await connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))
        try:
            await connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
        except DBAPIError:
            continue  # the doctor finds it, and the next run drops it first


_INVALID = text("""
SELECT x.indexrelid::regclass::text
FROM pg_index AS x
WHERE x.indrelid = to_regclass(:table) AND NOT (x.indisvalid AND x.indisready)
  AND NOT EXISTS (
    SELECT FROM pg_locks AS l
    WHERE l.relation = x.indrelid AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid()
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  )
""")
