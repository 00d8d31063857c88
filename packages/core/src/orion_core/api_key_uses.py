"""Uses of API keys, counted in memory and written down every few seconds; a crash loses some seconds of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from orion_core.background import pause
from orion_core.tables import IpAddress

FLUSH_SECONDS = 5.0


@dataclass(frozen=True)
class Use:
    """How often a key was used since the last time, and the last of these times."""

    key_id: UUID
    count: int
    last_at: datetime
    address: IpAddress


Write = Callable[[Sequence[Use]], Awaitable[None]]
"""Writes uses down, all or none."""


class Uses:
    """Uses of keys since they were last written down."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._since: dict[UUID, Use] = {}

    def note(self, key_id: UUID, address: IpAddress, now: datetime) -> None:
        """Count one."""
        self._add(Use(key_id, 1, now, address))

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
        self._since[use.key_id] = Use(use.key_id, known.count + use.count, latest.last_at, latest.address)
