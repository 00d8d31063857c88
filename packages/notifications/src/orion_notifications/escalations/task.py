"""What runs beside the requests: escalations that are due go on."""

import asyncio

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_core.background import pause
from orion_core.clock import Clock
from orion_core.database import Database
from orion_notifications.escalations.actions import Escalating, PutOffError, go_on

POLL_SECONDS = 1.0

log = structlog.get_logger()


async def escalate(database: Database, escalating: Escalating, clock: Clock, stop: asyncio.Event) -> None:
    """Look at what is due, one after the other, until `stop`; any number of processes may."""
    while not stop.is_set():
        try:
            if await go_on(database, escalating, clock()):
                continue
        except PutOffError:
            log.exception("escalation.put_off")
            continue
        except (SQLAlchemyError, OSError) as error:
            log.warning("escalations.unreachable", reason=type(error).__name__)
        await pause(stop, POLL_SECONDS)
