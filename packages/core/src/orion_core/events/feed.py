"""The outbox as a feed: pages of CloudEvents by position, with long poll (after the http-feeds specification).

Positions are given to committed rows only, by whoever reads, one numbering at a time under an advisory lock. A
transaction that commits late therefore gets a later position than those that readers have seen: it is never skipped,
and it holds up nobody. (Ordering by an id or a sequence taken at INSERT loses it; waiting for pg_snapshot_xmin()
stalls every reader behind any long transaction of the whole server.)
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.cloud_event import CloudEvent
from orion_core.database import Database
from orion_core.errors import Problem
from orion_core.wakeup import Wakeup

POLL_SECONDS = 0.5
"""How late a reader is at most when a wake-up was lost."""

NUMBERING_LOCK = 0x6F72696F6E01
"""Advisory lock that serialises numbering; advisory locks are per database."""

TAKE_LOCK = text("SELECT pg_advisory_xact_lock(:key)")

ANY_UNNUMBERED = text("SELECT EXISTS (SELECT FROM outbox WHERE position IS NULL)")

NUMBER = text("""
    WITH block AS MATERIALIZED (
      SELECT nextval('outbox_position') AS start  -- the sequence steps by 1000, so one value names 1000 positions
    ), unnumbered AS MATERIALIZED (
      SELECT id, row_number() OVER (ORDER BY sequence) - 1 AS place
      FROM outbox
      WHERE position IS NULL                      -- ix_outbox_unnumbered
      ORDER BY sequence
      LIMIT 1000
    )
    UPDATE outbox
    SET position = block.start + unnumbered.place
    FROM block, unnumbered
    WHERE outbox.id = unnumbered.id
""")

PAGE = text("""
    SELECT id, position, type, subject, data, traceparent, occurred_at
    FROM outbox
    WHERE position > greatest(:after, (SELECT last_value FROM outbox_pruned))  -- ix_outbox_position
    ORDER BY position
    LIMIT :limit
""")

LAST_POSITION = text("SELECT CASE WHEN is_called THEN last_value + 999 ELSE 0 END FROM outbox_position")

PRUNED = text("SELECT last_value FROM outbox_pruned")
"""Events up to this position have gone, or are going: see `house.WRITE_DOWN_PRUNED`."""


@dataclass(frozen=True)
class FeedPage:
    """Some events in order, and where to go on."""

    events: Sequence[CloudEvent]
    next: int


class Feed:
    """The events of one service, for the others to follow."""

    def __init__(self, database: Database, wakeup: Wakeup, source: str) -> None:
        self._database = database
        self.wakeup = wakeup
        self._source = source

    async def read(
        self, after: int, *, limit: int = 100, wait: float = 0, types: frozenset[str] = frozenset()
    ) -> FeedPage:
        """Up to `limit` events after the position `after`; when there is none, the first that comes within `wait`
        seconds.

        With `types`, events of other types are passed over, and `next` moves past them. A position that this feed never
        gave (its database was restored from a backup) is a problem, since waiting there would miss everything; so is
        one that events have been pruned after. From 0 on, the feed begins with the oldest event that is kept.
        """
        deadline = asyncio.get_running_loop().time() + wait
        await self._refuse_future(after)
        while True:
            ring = self.wakeup.next_ring()
            page = await self._page(after, limit, types)
            remaining = deadline - asyncio.get_running_loop().time()
            if page.events or (page.next == after and remaining <= 0):
                return page
            if page.next == after:
                await self.wakeup.wait(min(POLL_SECONDS, remaining), ring)
            elif remaining <= 0:
                return page
            after = page.next

    async def last_position(self) -> int:
        """A position that no numbered event is beyond."""
        await self._number()
        async with self._database.autocommit() as connection:
            return int((await connection.execute(LAST_POSITION)).scalar_one())

    async def _refuse_future(self, after: int) -> None:
        async with self._database.autocommit() as connection:
            last = int((await connection.execute(LAST_POSITION)).scalar_one())
        if after > last:
            raise Problem(
                409,
                "position_unknown",
                "Unknown position",
                f"This feed has not reached {after}; its last position is {last}. If its database was restored from a "
                "backup, the reader has to start again from 0.",
            )

    async def _page(self, after: int, limit: int, types: frozenset[str]) -> FeedPage:
        await self._number()
        async with self._database.autocommit() as connection:
            rows = (await connection.execute(PAGE, {"after": after, "limit": limit})).mappings().all()
            pruned = int((await connection.execute(PRUNED)).scalar_one())  # after the page: it may go meanwhile
        if 0 < after < pruned:
            raise _gone(after, pruned)
        events = [self._event(dict(row)) for row in rows if not types or row["type"] in types]
        return FeedPage(events, rows[-1]["position"] if rows else after)

    async def _number(self) -> None:
        async with self._database.autocommit() as connection:
            if not (await connection.execute(ANY_UNNUMBERED)).scalar_one():
                return
        async with self._database.transaction() as transaction:
            await number(transaction.connection)

    def _event(self, row: dict[str, Any]) -> CloudEvent:
        return CloudEvent(source=self._source, time=row.pop("occurred_at"), **row)


def _gone(after: int, pruned: int) -> Problem:
    return Problem(
        410,
        "position_pruned",
        "Events have been pruned",
        f"Events between {after} and {pruned} were kept for their time and are gone. The reader has to be filled by "
        "other means, and can then go on from 0, which is the oldest event that is kept.",
    )


async def number(connection: AsyncConnection) -> None:
    """Give positions to committed events.

    The lock is taken by a statement of its own: the next one then sees all that the previous holder has committed, and
    its block of positions lies beyond all earlier ones. Readers queue for it only for the milliseconds of one UPDATE.
    """
    await connection.execute(TAKE_LOCK, {"key": NUMBERING_LOCK})
    await connection.execute(NUMBER)
