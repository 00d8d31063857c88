"""Sweeping grants that have ended out of `user_grants`: a search for those who may do something has none to pass.

They stay where they were given: what was at a moment that is over is read there.
"""

import asyncio
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_core.background import pause, unless_stopped
from orion_core.clock import Clock
from orion_core.database import Database
from orion_user.access import store

EVERY_SECONDS = 600
KEPT = timedelta(hours=1)
"""After its end; a grant that has ended for one process must not be missing to one whose clock is behind."""
AT_ONCE = 1_000
REST_SECONDS = 0.05
"""After each transaction, which takes some milliseconds."""

log = structlog.get_logger()


async def keep_swept(database: Database, clock: Clock, stop: asyncio.Event) -> None:
    """Every ten minutes until `stop`; any number of processes may do so at once."""
    while not stop.is_set():
        try:
            while await unless_stopped(stop, sweep(database, clock)) == AT_ONCE:
                await pause(stop, REST_SECONDS)
        except (SQLAlchemyError, OSError) as error:
            log.warning("grants.sweep_put_off", reason=type(error).__name__)
        await pause(stop, EVERY_SECONDS)


async def sweep(database: Database, clock: Clock) -> int:
    """Remove some of those that ended long enough ago; returns how many, AT_ONCE at most."""
    async with database.autocommit() as connection:
        return await store.sweep(connection, clock() - KEPT, AT_ONCE)
