"""Keeping the coming months' partitions ready while a service runs, however long ago it was deployed."""

import asyncio

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from orion_core.background import pause, unless_stopped
from orion_core.database import Database
from orion_core.house import MONTHS_AHEAD

DAY_SECONDS = 86_400.0

RETRY_SECONDS = 600.0
"""After a table that was locked, or a database that was away: there are months left to try in."""

log = structlog.get_logger()

PARENTS = text("""
SELECT oid::regclass::text FROM pg_class
WHERE relkind = 'p' AND NOT relispartition AND pg_get_partkeydef(oid) = 'RANGE (id)' ORDER BY relname
""")
"""The tables that are cut into months by their UUIDv7 key."""

ENSURE = text("SELECT ensure_partitions(to_regclass(:parent), :months)")
"""How many partitions were made; see `house.ENSURE_PARTITIONS`."""


async def keep_partitions_ahead(database: Database, stop: asyncio.Event) -> None:
    """Once a day until `stop`, make the partitions that are missing. Any number of processes may do it at once."""
    while not stop.is_set():
        put_off = True
        try:
            put_off = await unless_stopped(stop, make_partitions(database))
        except (SQLAlchemyError, OSError) as error:
            log.warning("partitions.put_off", reason=_reason(error))
        await pause(stop, RETRY_SECONDS if put_off else DAY_SECONDS)


async def make_partitions(database: Database) -> list[str]:
    """Make this month's and the coming months' partitions of every table that has such; the tables that were put off.

    Each table in a transaction of its own, since a new partition locks the whole table. A lock that is not to be had
    soon is given up: all other statements on the table would queue behind the wait for it.
    """
    async with database.autocommit() as connection:
        parents = (await connection.execute(PARENTS)).scalars().all()
    put_off: list[str] = []
    for parent in parents:
        try:
            if count := await _make_partitions_of(parent, database):
                log.info("partitions.made", table=parent, count=count)
        except DBAPIError as error:
            log.warning("partitions.put_off", table=parent, reason=_reason(error))
            put_off.append(parent)
    return put_off


async def _make_partitions_of(parent: str, database: Database) -> int:
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("SET LOCAL lock_timeout = '2s'"))
        made = await transaction.connection.execute(ENSURE, {"parent": parent, "months": MONTHS_AHEAD})
        return made.scalar_one()


def _reason(error: Exception) -> str:
    return str(error.orig if isinstance(error, DBAPIError) else error) or type(error).__name__
