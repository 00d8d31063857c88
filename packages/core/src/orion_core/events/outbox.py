"""Writing an event in the transaction that caused it."""

from datetime import datetime

from sqlalchemy import MetaData, insert

from orion_contracts.event import Event
from orion_core.database import Writes
from orion_core.events.feed import Feed
from orion_core.house import add_tables
from orion_core.ids import uuid7
from orion_core.statement import Statement
from orion_core.tracing import current_traceparent

_tables = MetaData()
add_tables(_tables)
INSERT = Statement(insert(_tables.tables["outbox"]), ["id", "type", "subject", "data", "traceparent", "occurred_at"])


async def write(writes: Writes, event: Event, occurred_at: datetime) -> None:
    """Write `event` so that it exists if, and only if, the rest of `writes` does.

    Nobody is woken: readers find it when they look, within a second. For what nobody waits for.
    """
    values = {
        "id": uuid7(),
        "type": event.type,
        "subject": event.subject,
        "data": event.data(),
        "traceparent": current_traceparent(),
        "occurred_at": occurred_at,
    }
    writes.later(INSERT, values)


class Outbox:
    """Records events; readers of `feed` are woken once the transaction is committed."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    async def record(self, writes: Writes, event: Event, occurred_at: datetime) -> None:
        """As `write`, and readers are woken."""
        await write(writes, event, occurred_at)
        writes.after_commit(self._feed.wakeup.ring)
