"""Following another service's feed, so that each event takes effect exactly once.

The cursor moves in the transaction that applies the events, and its row is locked meanwhile: however many copies of a
service follow, and wherever one of them is killed, an event is applied once. A handler that fails holds up its feed,
and `/readyz` says which event and why; nothing is skipped.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

import httpx
import structlog
from sqlalchemy import MetaData, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from orion_contracts.cloud_event import CloudEvent
from orion_contracts.event import Event
from orion_core.background import pause, unless_stopped
from orion_core.clock import Clock
from orion_core.database import Database, Transaction
from orion_core.database_faults import database_reason
from orion_core.errors import Problem
from orion_core.events.client import FeedClient
from orion_core.house import add_tables
from orion_core.metrics import EVENTS_APPLIED, FEED_STOPPED
from orion_core.sealing import SealError
from orion_core.statement import Statement
from orion_core.tracing import continue_trace

BATCH = 100
FIRST_RETRY_SECONDS = 0.2
LAST_RETRY_SECONDS = 15.0

_tables = MetaData()
add_tables(_tables)
CURSORS = _tables.tables["inbox_cursors"]

RECEIVE = Statement(
    text("""
    INSERT INTO inbox (source, id, type, position)
    SELECT :source, * FROM unnest(CAST(:ids AS uuid[]), CAST(:types AS varchar[]), CAST(:positions AS bigint[]))
    ON CONFLICT DO NOTHING                        -- pk_inbox
    RETURNING id
""")
)
"""Those of some events that have not come before."""

LOCK_CURSOR = Statement(select(CURSORS.c.position).where(CURSORS.c.source == bindparam("of")).with_for_update())
MOVE_CURSOR = Statement(update(CURSORS).where(CURSORS.c.source == bindparam("of")).values(position=bindparam("to")))

log = structlog.get_logger()

Handler = Callable[[Transaction, Any], Awaitable[None]]
"""Applies one event inside the transaction that also moves the cursor."""


class EventFailedError(Exception):
    """A handler failed; the cause says why, this says at which event."""

    def __init__(self, event: CloudEvent) -> None:
        super().__init__(f"event {event.id} ({event.type}) at position {event.position} cannot be applied")


@dataclass
class FeedState:
    """What `/readyz` and `/metrics` tell of a followed feed."""

    position: int = 0
    contact_at: datetime | None = None
    """When the feed last answered."""
    fault: str | None = None
    """Why the feed is not moving, if it is not."""


class Follower:
    """Applies the events of one feed to one database."""

    def __init__(
        self, client: FeedClient, database: Database, clock: Clock, handlers: Mapping[type[Event], Handler]
    ) -> None:
        self.source = client.source
        self.state = FeedState()
        self._client = client
        self._database = database
        self._clock = clock
        self._handlers = {event.type: (event, handler) for event, handler in handlers.items()}
        self._types = frozenset(self._handlers)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop`. No error ends this; each is retried with growing pauses."""
        retry, limit = FIRST_RETRY_SECONDS, BATCH
        while not stop.is_set():
            try:
                await unless_stopped(stop, self._step(limit))
            except Exception as error:
                self._stopped(error)
                limit = 1  # begin small: what comes before the event that fails gets through
                await pause(stop, retry * random.uniform(0.5, 1))  # noqa: S311
                retry = min(retry * 2, LAST_RETRY_SECONDS)
            else:
                self._moves()
                retry, limit = FIRST_RETRY_SECONDS, min(limit * 2, BATCH)

    async def _step(self, limit: int) -> None:
        if not self.state.position:
            self.state.position = await self._cursor()
        try:
            page = await self._client.read(self.state.position, limit=limit, types=self._types)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != HTTPStatus.CONFLICT:
                raise
            await self._begin_again()
            return
        self.state.contact_at = self._clock()
        if page.next > self.state.position:
            self.state.position = await self.apply(self.state.position, page.events, page.next)

    async def apply(self, after: int, events: list[CloudEvent], next_position: int) -> int:
        """Apply what was read after `after` and move the cursor to `next_position`; returns where the cursor now is.

        When another copy of this service has moved the cursor meanwhile, nothing is done.
        """
        async with self._database.transaction() as transaction:
            cursor = await self._lock_cursor(transaction)
            if cursor != after:
                return cursor
            for event in await self._new(transaction, events):
                await self._apply_one(transaction, event)
            transaction.later(MOVE_CURSOR, {"of": self.source, "to": next_position})
        EVENTS_APPLIED.labels(self.source).inc(len(events))
        return next_position

    async def _begin_again(self) -> None:
        """The feed is behind us: its database was restored or made anew. The inbox knows what was applied before."""
        async with self._database.transaction() as transaction:
            if await self._lock_cursor(transaction) == self.state.position:
                again = update(CURSORS).where(CURSORS.c.source == self.source).values(position=0)
                await transaction.connection.execute(again)
        log.warning("feed.begun_again", source=self.source, position=self.state.position)
        self.state.position = 0

    async def _new(self, transaction: Transaction, events: list[CloudEvent]) -> list[CloudEvent]:
        """Those of the events that are for us and have not been applied before."""
        ours = [event for event in events if event.type in self._handlers]
        if not ours:
            return []
        values = {
            "source": self.source,
            "ids": [event.id for event in ours],
            "types": [event.type for event in ours],
            "positions": [event.position for event in ours],
        }
        new = {row.id for row in await RECEIVE.all(transaction.connection, values)}
        return [event for event in ours if event.id in new]

    async def _apply_one(self, transaction: Transaction, event: CloudEvent) -> None:
        contract, handler = self._handlers[event.type]
        continue_trace(event.traceparent)
        try:
            await handler(transaction, contract.read(event.data))
        except Exception as error:
            raise EventFailedError(event) from error

    async def _cursor(self) -> int:
        async with self._database.autocommit() as connection:
            statement = select(CURSORS.c.position).where(CURSORS.c.source == self.source)
            return (await connection.execute(statement)).scalar_one_or_none() or 0

    async def _lock_cursor(self, transaction: Transaction) -> int:
        row = await LOCK_CURSOR.one_or_none(transaction.connection, {"of": self.source})
        if row is not None:
            return row.position
        first = upsert(CURSORS).values(source=self.source, position=0).on_conflict_do_nothing()
        await transaction.connection.execute(first)
        return (await LOCK_CURSOR.one(transaction.connection, {"of": self.source})).position

    def _moves(self) -> None:
        if self.state.fault is not None:
            log.info("feed.moves_again", source=self.source, position=self.state.position)
        self.state.fault = None
        FEED_STOPPED.labels(self.source).set(0)

    def _stopped(self, error: Exception) -> None:
        fault = _fault(self.source, error)
        if fault != self.state.fault:
            unexpected = None if isinstance(error, httpx.HTTPError) else error
            log.warning(
                "feed.stopped", source=self.source, position=self.state.position, reason=fault, exc_info=unexpected
            )
        self.state.fault = fault
        self.state.position = 0  # our own database may have been restored too: ask it again
        FEED_STOPPED.labels(self.source).set(1)


def _fault(source: str, error: Exception) -> str:
    """What `/readyz` may show to anybody: names of things, never their values."""
    match error:
        case EventFailedError(__cause__=SealError() as unopened):
            return f"{error} ({unopened})"
        case EventFailedError():
            return f"{error} ({database_reason(error.__cause__ or error)})"
        case httpx.HTTPStatusError(response=httpx.Response(status_code=HTTPStatus.NOT_FOUND)):
            return f"{source} answered 404{_code(error.response)}: is its URL that of {source}?"
        case httpx.HTTPStatusError():
            return f"{source} answered {error.response.status_code}{_code(error.response)}"
        case httpx.HTTPError():
            return f"{source} does not answer ({type(error).__name__})"
        case Problem(code=code):
            return f"the feed of {source} could not be applied ({code})"
        case _:
            return f"the feed of {source} could not be applied ({database_reason(error)})"


def _code(response: httpx.Response) -> str:
    """The stable word of problem details, in parentheses, where there is one."""
    try:
        code = response.json()["code"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f" ({code})" if isinstance(code, str) else ""
