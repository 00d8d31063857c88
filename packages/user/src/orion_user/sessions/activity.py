"""When sessions were last seen here: gathered in memory, written every now and then."""

import asyncio
from datetime import datetime
from uuid import UUID

import structlog

from orion_contracts.claims import AccessClaims
from orion_core.background import pause
from orion_core.database import Database
from orion_user.sessions import store

EVERY_SECONDS = 30.0
MOST = 10_000
"""Sessions in one statement; those that come on top wait for the next."""

log = structlog.get_logger()


class Activity:
    """What is lost when the process dies is half a minute of "last seen"."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: dict[UUID, datetime] = {}

    def note(self, claims: AccessClaims, now: datetime) -> None:
        """A request came with a token of this session."""
        if claims.sid is None:
            return
        session_id = UUID(claims.sid)
        if len(self._seen) < MOST or session_id in self._seen:
            self._seen[session_id] = now

    async def write(self) -> None:
        """Write down what was gathered."""
        seen, self._seen = self._seen, {}
        if seen:
            async with self._database.autocommit() as connection:
                await store.note_activity(connection, seen)

    async def run(self, stop: asyncio.Event) -> None:
        """Write every half minute until `stop`, and once more then."""
        while not stop.is_set():
            await pause(stop, EVERY_SECONDS)
            try:
                await self.write()
            except Exception as error:
                log.warning("activity.not_written", exc_info=error)
