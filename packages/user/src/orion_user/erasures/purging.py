"""Forgetting deleted users whose time to be restored is over, and what could not be erased before."""

import asyncio
import random

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_core.background import pause
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.errors import Problem
from orion_core.events.outbox import Outbox
from orion_user.audit.actions import SYSTEM
from orion_user.erasures import store
from orion_user.erasures.actions import erase_here, request
from orion_user.erasures.rules import ErasureReason

EVERY_SECONDS = 600.0
AT_ONCE = 100

log = structlog.get_logger()


async def keep_purged(database: Database, outbox: Outbox, clock: Clock, stop: asyncio.Event) -> None:
    """Every ten minutes until `stop`; of many processes, all may: each user is taken once."""
    while not stop.is_set():
        await pause(stop, EVERY_SECONDS * random.uniform(0.9, 1.1))  # noqa: S311
        try:
            await purge(database, outbox, clock)
        except (SQLAlchemyError, OSError) as error:
            log.warning("purging.put_off", reason=type(error).__name__)


async def purge(database: Database, outbox: Outbox, clock: Clock) -> int:
    """Begin to forget those who are due, and go on where something stood in the way; how many were begun."""
    now = clock()
    async with database.autocommit() as connection:
        due = await store.due(connection, now, AT_ONCE)
        left_over = await store.left_over(connection, AT_ONCE)
    begun = 0
    for user_id in due:
        try:
            await request(database, outbox, user_id, by="user", actor=SYSTEM, now=now, reason=ErasureReason.PURGED)
            begun += 1
        except Problem:  # held, or restored, a moment ago
            continue
    for erasure_id in left_over:
        async with database.transaction() as transaction:
            row = await store.find(transaction.connection, erasure_id, lock=True)
            if row is not None and row["user_erased_at"] is None:
                await erase_here(transaction, outbox, erasure_id, row["user_id"], now)
    return begun
