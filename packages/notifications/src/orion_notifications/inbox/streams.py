"""Inboxes that are watched: server-sent events of what comes, and of counters when they change.

All streams of a process are served by one look into the database, when the bell rings and every few seconds besides. A
message may be told of again after a reconnection: what was committed late must not be missed, so a look goes back a
little further than the last one. Whoever watches knows messages by their ids.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
import structlog
from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError

from orion_contracts.claims import AccessClaims
from orion_core.access_tokens import Refusals
from orion_core.background import first_of, pause
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.errors import Problem
from orion_core.wakeup import Wakeup
from orion_notifications.inbox import store
from orion_notifications.inbox.shapes import Counters, NotificationShape

INBOX_CHANNEL = "inbox"
"""NOTIFY channel on which streams are woken."""

POLL_SECONDS = 2.0
PAUSE_SECONDS = 0.05
"""Between two looks; what rings meanwhile is seen by the next one."""
LATE = timedelta(seconds=10)
"""How long a delivery may take from its time until it is committed."""
MOST_AT_ONCE = 100
MOST_OF_ONE_USER = 20
"""Streams in one process; one more ends the oldest."""
FIRST = UUID(int=0)
LONGEST_BACKLOG = 500
BEAT_SECONDS = 1.0
"""How late the end of a session ends a stream."""
BEAT = b": here\n\n"

log = structlog.get_logger()


@dataclass(eq=False)
class Stream:
    """One watcher, what he was told, and what he is to be told."""

    user_id: UUID
    since: datetime
    after: UUID = FIRST
    told: dict[UUID, datetime] = field(default_factory=dict[UUID, datetime])
    counters: Counters | None = None
    waiting: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(LONGEST_BACKLOG))

    def tell(self, event: bytes | None) -> None:
        """Put an event in his queue; None ends the stream, and so does a queue that is full: he comes back."""
        try:
            self.waiting.put_nowait(event)
        except asyncio.QueueFull:
            self.waiting = asyncio.Queue(1)
            self.waiting.put_nowait(None)

    @property
    def place(self) -> tuple[datetime, UUID]:
        """After which message to look: a little before the last one, unless there was more than one look could take."""
        return (self.since, self.after) if self.after != FIRST else (self.since - LATE, FIRST)

    def arrived(self, rows: Sequence[RowMapping]) -> bool:
        """Tell of messages that he has not been told of; whether there may be more to tell of at once."""
        for row in rows:
            if row["id"] not in self.told:
                self.told[row["id"]] = row["delivered_at"]
                self.tell(_event("notification", NotificationShape.model_validate(dict(row)), row["delivered_at"]))
            self.since = max(self.since, row["delivered_at"])
        old = self.since - 2 * LATE
        self.told = {id: at for id, at in self.told.items() if at >= old}
        has_more = len(rows) == MOST_AT_ONCE
        self.after = rows[-1]["id"] if has_more else FIRST
        return has_more

    def counted(self, counters: Counters) -> None:
        """Tell of counters that are not those he was told of last."""
        if counters != self.counters:
            self.counters = counters
            self.tell(_event("counters", counters))


class Streams:
    """All watchers of this process."""

    def __init__(self, database: Database, bell: Wakeup, refusals: Refusals, clock: Clock) -> None:
        self.bell = bell
        self._refusals = refusals
        self._database = database
        self._clock = clock
        self._streams: dict[Stream, None] = {}
        """The oldest first."""
        self._joined = asyncio.Event()
        self._is_over = False

    async def run(self, stop: asyncio.Event) -> None:
        """Serve them until `stop`; then end all."""
        self._is_over = False
        while not stop.is_set():
            ring = self.bell.next_ring()
            self._joined.clear()
            if self._streams and await self._look():
                await pause(stop, PAUSE_SECONDS)
                continue
            await first_of(self.bell.wait(POLL_SECONDS, ring), self._joined.wait(), stop.wait())
            await pause(stop, PAUSE_SECONDS)
        self._is_over = True
        for stream in self._streams:
            stream.tell(None)

    async def _look(self) -> bool:
        """Tell all watchers what is new; whether there may be more at once."""
        watched = list(self._streams)
        places = [(stream.user_id, *stream.place) for stream in watched]
        try:
            async with self._database.autocommit() as connection:
                rows = await store.arrived(connection, places, MOST_AT_ONCE)
                users = list({stream.user_id for stream in watched})
                counters = await store.counters(connection, users, self._clock())
        except (SQLAlchemyError, OSError) as error:
            log.warning("inbox.unreachable", reason=type(error).__name__)
            return False
        of_stream: dict[int, list[RowMapping]] = {}
        for row in rows:
            of_stream.setdefault(row["number"], []).append(row)
        counted = {row["user_id"]: Counters(**{name: row[name] for name in Counters.model_fields}) for row in counters}
        has_more = False
        for number, stream in enumerate(watched):
            has_more |= stream.arrived(of_stream.get(number, []))
            stream.counted(counted[stream.user_id])
        return has_more

    async def _is_refused(self, claims: AccessClaims) -> bool:
        try:
            await self._refusals.check(claims)
        except Problem:
            return True
        return False

    async def watch(
        self, user_id: UUID, last_event_id: str | None, claims: AccessClaims, ends_at: datetime
    ) -> AsyncGenerator[bytes]:
        """The events of one inbox, from after the last one that was received, until the token ends or is refused."""
        stream = Stream(user_id, read_position(last_event_id) or self._clock())
        of_user = [each for each in self._streams if each.user_id == user_id]
        for each in of_user[: max(0, len(of_user) + 1 - MOST_OF_ONE_USER)]:
            each.tell(None)
        self._streams[stream] = None
        self._joined.set()
        try:
            yield b"retry: 2000\n\n"
            while not self._is_over and self._clock() < ends_at:
                event = await _next(stream)
                if event is None or await self._is_refused(claims):
                    return
                yield event
        finally:
            self._streams.pop(stream, None)


async def _next(stream: Stream) -> bytes | None:
    """What to tell him next: a beat, when nothing comes."""
    try:
        return await asyncio.wait_for(stream.waiting.get(), BEAT_SECONDS)
    except TimeoutError:
        return BEAT


def position(moment: datetime) -> str:
    """The id of an event about something that came at this moment: microseconds since 1970."""
    return str((moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1))


def read_position(last_event_id: str | None) -> datetime | None:
    """The moment in an id; None in what is none."""
    if last_event_id is None or not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 18):
        return None
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(last_event_id))


def _event(name: str, shown: NotificationShape | Counters, moment: datetime | None = None) -> bytes:
    head = b"" if moment is None else f"id: {position(moment)}\n".encode()
    return head + b"event: " + name.encode() + b"\ndata: " + orjson.dumps(shown.model_dump(mode="json")) + b"\n\n"
