"""Ending sessions that nobody carries on any more, so that others who show them are told."""

import asyncio
from datetime import datetime, timedelta

import structlog

from orion_auth.sessions import actions
from orion_core.background import keep_doing
from orion_core.database import Database
from orion_core.events.outbox import Outbox

EVERY_SECONDS = 300.0

AT_ONCE = 200
"""Sessions of one transaction."""

LATE = timedelta(minutes=1)
"""So much later than they are idle: another process, whose clock is behind, may still carry them on until then."""

log = structlog.get_logger()


async def keep_idle_ended(
    database: Database, outbox: Outbox, stop: asyncio.Event, *, every: float = EVERY_SECONDS
) -> None:
    """Until `stop`, end what has become idle. Every process does it; each session falls to one of them.

    By the database's clock: one of ours that is ahead must not end what is in use.
    """

    async def end() -> None:
        if ended := await end_idle(database, outbox, await database.now(), stop):
            log.info("sessions.idle_ended", sessions=ended)

    await keep_doing(stop, every, end, "sessions.idle_put_off")


async def end_idle(database: Database, outbox: Outbox, now: datetime, stop: asyncio.Event) -> int:
    """End all sessions that are idle at `now`, some at a time, and say how many those were."""
    ended = 0
    while not stop.is_set():
        async with database.transaction() as transaction:
            batch = await actions.end_idle(transaction, outbox, now - LATE, AT_ONCE, now)
        ended += batch
        if batch < AT_ONCE:
            break
    return ended
