"""Telling that elevations are over.

An elevation ends by the end of its assignment, at that moment and without anybody's doing. This only writes it down and
tells of it; any number of processes may do so at once.
"""

import asyncio

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_contracts.access_events import ElevationChanged
from orion_core.background import pause, unless_stopped
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.events.outbox import Outbox
from orion_user.audit import actions as audit
from orion_user.audit.actions import SYSTEM, Change
from orion_user.elevations import store
from orion_user.elevations.actions import kept
from orion_user.elevations.rules import ElevationStatus

EVERY_SECONDS = 5
AT_ONCE = 100

log = structlog.get_logger()


async def keep_ended(database: Database, outbox: Outbox, clock: Clock, stop: asyncio.Event) -> None:
    """Every few seconds until `stop`."""
    while not stop.is_set():
        try:
            while await unless_stopped(stop, end_due(database, outbox, clock)) == AT_ONCE:
                pass
        except (SQLAlchemyError, OSError) as error:
            log.warning("elevations.put_off", reason=type(error).__name__)
        await pause(stop, EVERY_SECONDS)


async def end_due(database: Database, outbox: Outbox, clock: Clock) -> int:
    """Write down those that are over, and tell of them; returns how many they were, AT_ONCE at most."""
    now = clock()
    async with database.transaction() as transaction:
        connection = transaction.connection
        due = [
            (row["id"], {"status": ElevationStatus.ENDED, "ended_at": row["ended_at"]})
            for row in await store.over(connection, now, AT_ONCE)
        ]
        due += [
            (elevation_id, {"status": ElevationStatus.LAPSED})
            for elevation_id in await store.lapsed(connection, now, AT_ONCE - len(due))
        ]
        for elevation_id, values in due:
            before = await store.find(connection, elevation_id)
            assert before is not None
            row = await store.change(connection, elevation_id, values)
            event = ElevationChanged(
                user_id=row["user_id"],
                elevation_id=row["id"],
                role_id=row["role_id"],
                scope=row["scope"].name,
                scope_id=row["scope_id"],
                change=row["status"].name,
                ends_at=row["ends_at"],
                changed_at=now,
            )
            await outbox.record(transaction, event, now)
            action = f"elevation.{row['status'].name.lower()}"
            change = Change(action, "elevation", str(row["id"]), row["user_id"], kept(before), kept(row))
            await audit.record(transaction, SYSTEM, change, now)
    return len(due)
