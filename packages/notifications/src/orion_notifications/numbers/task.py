"""What runs beside the requests: what has become of messages is counted."""

import asyncio
import time

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_core.background import pause
from orion_core.database import Database
from orion_notifications.numbers.actions import count

EVERY_SECONDS = 60.0
REST = 50
"""Between two counts is at least this many times what the last one took: a fiftieth of a processor at most."""

log = structlog.get_logger()


async def keep_counting(database: Database, stop: asyncio.Event) -> None:
    """Count every minute until `stop`; any number of processes may, one does."""
    while not stop.is_set():
        began = time.monotonic()
        try:
            if await count(database):
                continue
        except (SQLAlchemyError, OSError) as error:
            log.warning("numbers.put_off", reason=type(error).__name__)
        await pause(stop, max(EVERY_SECONDS, REST * (time.monotonic() - began)))
