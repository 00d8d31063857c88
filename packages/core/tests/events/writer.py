"""Writes events into an outbox from a process of its own, in transactions of random length, some rolled back.

Prints the subjects of what it committed. Run by test_feed_race.
"""

import asyncio
import json
import random
import sys
from datetime import UTC, datetime

from sqlalchemy import text

from orion_contracts.events import SessionStarted
from orion_core.database import Database
from orion_core.events.feed import Feed
from orion_core.events.outbox import Outbox
from orion_core.ids import uuid7
from orion_core.wakeup import Wakeup

TRANSACTIONS = 60
LOCK_SUBJECT = text("UPDATE inbox_cursors SET position = position + 1 WHERE source = :source RETURNING position")


async def write(database: Database, outbox: Outbox, committed: list[str]) -> None:
    """One transaction: change one of three shared subjects and tell of it, slowly."""
    source = f"subject {random.randrange(3)}"
    try:
        async with database.transaction() as transaction:
            position = (await transaction.connection.execute(LOCK_SUBJECT, {"source": source})).scalar_one()
            now = datetime.now(UTC)
            event = SessionStarted(
                session_id=uuid7(), user_id=uuid7(), device_name=f"{source}:{position}", started_at=now, expires_at=now
            )
            await outbox.record(transaction, event, now)
            await asyncio.sleep(random.choice([0, 0.001, 0.02, 0.1]))
            if random.random() < 0.1:
                raise InterruptedError
        committed.append(event.subject)
    except InterruptedError:
        pass


async def main(url: str) -> None:
    """Write with four connections at once."""
    database = Database.connect(url, role="orion_auth_service", application="orion writer", pool_size=4)
    outbox = Outbox(Feed(database, Wakeup(url, "outbox"), "auth"))
    committed: list[str] = []
    await asyncio.gather(*(write(database, outbox, committed) for _ in range(TRANSACTIONS)))
    await database.close()
    json.dump(committed, sys.stdout)


asyncio.run(main(sys.argv[1]))
