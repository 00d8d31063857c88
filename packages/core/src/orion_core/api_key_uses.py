"""Uses of API keys, counted in memory and written down every few seconds; a crash loses some seconds of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from orion_contracts.api_keys import ApiKeyUse
from orion_core.background import pause
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.events.outbox import Outbox
from orion_core.tables import IpAddress

FLUSH_SECONDS = 5.0


@dataclass(frozen=True)
class Use:
    """How often a key was used since the last time, and the last of these times."""

    key_id: UUID
    user_id: UUID | None
    """Whose it is; None for a service's."""
    count: int
    last_at: datetime
    address: IpAddress


Write = Callable[[Sequence[Use]], Awaitable[None]]
"""Writes uses down, all or none."""


def telling(database: Database, outbox: Outbox, told: type[ApiKeyUse], clock: Clock) -> Write:
    """Tells user, who keeps the keys."""

    async def write(uses: Sequence[Use]) -> None:
        async with database.transaction() as transaction:
            for use in uses:
                event = told(
                    key_id=use.key_id,
                    user_id=use.user_id,
                    count=use.count,
                    last_used_at=use.last_at,
                    ip_address=use.address,
                )
                await outbox.record(transaction, event, clock())

    return write


class Uses:
    """Uses of keys since they were last written down."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._since: dict[UUID, Use] = {}

    def note(self, key_id: UUID, user_id: UUID | None, address: IpAddress, now: datetime) -> None:
        """Count one."""
        self._add(Use(key_id, user_id, 1, now, address))

    async def run(self, stop: asyncio.Event) -> None:
        """Write them down every few seconds, and at the end."""
        while not stop.is_set():
            await pause(stop, FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write them down; what cannot be written now is kept for the next time."""
        uses, self._since = list(self._since.values()), {}
        if not uses:
            return
        try:
            await self._write(uses)
        except BaseException:
            for use in uses:
                self._add(use)
            raise

    def _add(self, use: Use) -> None:
        known = self._since.get(use.key_id)
        if known is None:
            self._since[use.key_id] = use
            return
        latest = use if use.last_at >= known.last_at else known
        self._since[use.key_id] = replace(latest, count=known.count + use.count)
