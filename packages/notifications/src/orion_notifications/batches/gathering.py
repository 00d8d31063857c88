"""Taking in whom a batch's audience names: user is asked for a page, which is kept with where the next one begins.

A worker that is killed leaves both or neither, so nothing is taken in twice. Nothing is held while user is asked.
"""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.audiences import Audience, AudiencePage
from orion_core.background import pause
from orion_core.clock import Clock
from orion_core.database import Database
from orion_notifications.audience_pages import AudiencePages, AudienceRefusedError, AudienceUnknownError
from orion_notifications.batches import store
from orion_notifications.batches.rules import ASK_AGAIN, GATHERING, MOST_RECIPIENTS, BatchStatus, failed

POLL_SECONDS = 1.0

log = structlog.get_logger()


async def keep_gathering(database: Database, pages: AudiencePages, clock: Clock, stop: asyncio.Event) -> None:
    """Take pages in until `stop`; beside what feeds batches, which would else wait for user with it."""
    while not stop.is_set():
        try:
            if await gather(database, pages, clock):
                continue
        except (SQLAlchemyError, OSError) as error:
            log.warning("audiences.unreachable", reason=type(error).__name__)
        await pause(stop, POLL_SECONDS)


async def gather(database: Database, pages: AudiencePages, clock: Clock) -> bool:
    """Take in the next page of some batch's audience; False when no batch waits for one."""
    now = clock()
    async with database.autocommit() as connection:
        asking = await store.take_gathering(connection, now, now + GATHERING)
    if asking is None:
        return False
    after = asking["audience"]["after"]
    try:
        answer = await pages.read(Audience.model_validate(asking["audience"]["of"]), after and UUID(after))
    except (AudienceRefusedError, AudienceUnknownError) as error:
        answer = error
    async with database.transaction() as transaction:
        batch = await store.find(transaction.connection, asking["id"], lock=True)
        # Somebody may have paused or cancelled it meanwhile, or another worker have kept the page.
        if batch is not None and batch["status"] is BatchStatus.RUNNING and batch["audience"] == asking["audience"]:
            values = await _changes(transaction.connection, batch, answer, clock())
            await store.change(transaction.connection, batch["id"], values)
    return True


async def _changes(
    connection: AsyncConnection,
    batch: RowMapping,
    answer: AudiencePage | AudienceRefusedError | AudienceUnknownError,
    now: datetime,
) -> dict[str, Any]:
    match answer:
        case AudienceUnknownError():
            return {"reason": f"It waits: {answer}."[:300], "next_look_at": now + ASK_AGAIN}
        case AudienceRefusedError():
            return failed(f"Nobody is sent anything: {answer}"[:300], now)
        case AudiencePage():
            return await _taken(connection, batch, answer, now)


async def _taken(connection: AsyncConnection, batch: RowMapping, page: AudiencePage, now: datetime) -> dict[str, Any]:
    """Keep a page. One whose last page has come goes on as if its recipients had been sent in."""
    nothing_own: dict[str, Any] = {"recipient": None, "locale": None, "variables": {}}
    lines = [
        {"position": position, "user_id": user_id, **nothing_own}
        for position, user_id in enumerate(page.user_ids, batch["recipient_count"] + 1)
    ]
    count = batch["recipient_count"] + await store.add_recipients(connection, batch["id"], lines)
    if count > MOST_RECIPIENTS:
        return failed(f"Nobody is sent anything: the audience has more than {MOST_RECIPIENTS} users.", now)
    following = {"after": page.next and str(page.next), "is_complete": page.next is None}
    values = {
        "audience": batch["audience"] | following,
        "recipient_count": count,
        "reason": None,
        "next_look_at": now,
    }
    if count == 0 and page.next is None:
        return values | {"status": BatchStatus.COMPLETED, "completed_at": now, "reason": "The audience is empty."}
    return values
