"""The outbox as a feed: pages of CloudEvents by position, with long poll (after the http-feeds specification).

Positions are given to committed rows only, by whoever reads, one numbering at a time under an advisory lock. A
transaction that commits late therefore gets a later position than those that readers have seen: it is never skipped,
and it holds up nobody. (Ordering by an id or a sequence taken at INSERT loses it; waiting for pg_snapshot_xmin()
stalls every reader behind any long transaction of the whole server.)
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.cloud_event import CloudEvent
from orion_core.database import Database
from orion_core.errors import Problem
from orion_core.statement import Statement
from orion_core.wakeup import Wakeup

POLL_SECONDS = 0.5
"""How late a reader is at most when a wake-up was lost."""

QUIET_SECONDS = 0.25
"""Between two numberings for readers that wait, so how late an event is at most when there are many."""

NUMBERING_LOCK = 0x6F72696F6E01
"""Advisory lock that serialises numbering; advisory locks are per database."""

TAKE_LOCK = Statement(text("SELECT pg_advisory_xact_lock(:key)"))

ANY_UNNUMBERED = Statement(text("SELECT EXISTS (SELECT FROM outbox WHERE position IS NULL) AS any"))

NUMBER = Statement(
    text("""
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
)

LOOK = Statement(
    text("""
    WITH pruned AS MATERIALIZED (
      SELECT last_value AS position FROM outbox_pruned
    ), page AS (
      SELECT id, outbox.position, type, subject, data, traceparent, occurred_at
      FROM outbox, pruned
      WHERE outbox.position > greatest(:after, pruned.position)  -- ix_outbox_position
      ORDER BY outbox.position
      LIMIT :limit
    )
    SELECT
      pruned.position AS pruned,
      (SELECT CASE WHEN is_called THEN last_value + 999 ELSE 0 END FROM outbox_position) AS last,
      page.*
    FROM pruned LEFT JOIN page ON true
    ORDER BY page.position
""").columns(data=JSONB)
)
"""What a reader finds after a position, and how the feed stands; one row without an event when there is none.

Events up to `pruned` have gone, or are going (see `house.WRITE_DOWN_PRUNED`). It is read once, and after the snapshot
of the statement is taken: if it does not tell of a pruning yet, the page still has what that takes away.
"""

LAST_POSITION = Statement(
    text("SELECT CASE WHEN is_called THEN last_value + 999 ELSE 0 END AS last FROM outbox_position")
)


@dataclass(frozen=True)
class FeedPage:
    """Some events in order, and where to go on."""

    events: Sequence[CloudEvent]
    next: int
    is_whole: bool
    """Whether whoever reads on from here had missed nothing when he asked. A page that is full, or that was answered
    from what had been numbered before, does not say so.
    """


class Feed:
    """The events of one service, for the others to follow."""

    def __init__(self, database: Database, wakeup: Wakeup, source: str) -> None:
        self._database = database
        self.wakeup = wakeup
        self._source = source
        self._numbering = asyncio.Lock()
        self._numbered_at = -math.inf
        self._numbered_to = 0
        """Who reads after a lower position than this is likely to find something without any more being numbered."""

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
        is_whole = False
        while True:
            ring = self.wakeup.next_ring()
            numbers = not wait or after >= self._numbered_to
            if numbers:
                await (self._number_soon() if wait else self._number())
            rows = await self._look(after, limit)
            after = rows[-1].position if rows else after
            is_whole = (is_whole or numbers) and len(rows) < limit
            events = [self._event(row) for row in rows if not types or row.type in types]
            remaining = deadline - asyncio.get_running_loop().time()
            if events or remaining <= 0:
                return FeedPage(events, after, is_whole)
            if not rows:
                await self.wakeup.wait(min(POLL_SECONDS, remaining), ring)

    async def last_position(self) -> int:
        """A position that no numbered event is beyond."""
        await self._number()
        async with self._database.autocommit() as connection:
            return (await LAST_POSITION.one(connection, {})).last

    async def _look(self, after: int, limit: int) -> Sequence[Any]:
        async with self._database.autocommit() as connection:
            rows = await LOOK.all(connection, {"after": after, "limit": limit})
        if after > rows[0].last:
            raise _unknown(after, rows[0].last)
        if 0 < after < rows[0].pruned:
            raise _gone(after, rows[0].pruned)
        found = [row for row in rows if row.id is not None]
        if found:
            may_be_more = len(found) == limit
            self._numbered_to = max(self._numbered_to, found[-1].position + may_be_more)
        else:
            self._numbered_to = min(self._numbered_to, after)
        return found

    async def _number_soon(self) -> None:
        """Number what there is, once for all readers of this process, and not at once after the last time.

        Each answer costs its reader a transaction, and he asks again at once: so the events of a quarter of a
        second go together.
        """
        clock = asyncio.get_running_loop().time
        asked_at = clock()
        async with self._numbering:
            if self._numbered_at > asked_at:
                return  # for another reader, since we asked
            await asyncio.sleep(max(0.0, self._numbered_at + QUIET_SECONDS - clock()))
            self._numbered_at = clock()
            await self._number()

    async def _number(self) -> None:
        async with self._database.autocommit() as connection:
            if not (await ANY_UNNUMBERED.one(connection, {})).any:
                return
        async with self._database.transaction() as transaction:
            await number(transaction.connection)

    def _event(self, row: Any) -> CloudEvent:
        return CloudEvent(
            source=self._source,
            id=row.id,
            position=row.position,
            type=row.type,
            subject=row.subject,
            data=row.data,
            traceparent=row.traceparent,
            time=row.occurred_at,
        )


def _unknown(after: int, last: int) -> Problem:
    return Problem(
        409,
        "position_unknown",
        "Unknown position",
        f"This feed has not reached {after}; its last position is {last}. If its database was restored from a "
        "backup, the reader has to start again from 0.",
    )


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
    await TAKE_LOCK.execute(connection, {"key": NUMBERING_LOCK})
    await NUMBER.execute(connection, {})
