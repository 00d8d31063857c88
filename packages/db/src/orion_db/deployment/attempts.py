"""Work that meets locks is tried again, with pauses in which whoever waits behind it gets through."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.deployment.watch import Watch
from orion_db.errors import sqlstate
from orion_db.progress import Progress, Step, silent

LOCK_TIMEOUT_MS = 2000
"""How long a statement may queue for a table's lock, all others queueing behind it, before the step is tried anew."""

CONCURRENT_LOCK_TIMEOUT_MS = 600_000
"""The same for statements that nobody queues behind: a concurrent build waits for transactions older than itself."""

PASSING = {"55P03": "lock_not_available", "40P01": "deadlock_detected", "40001": "serialization_failure"}
"""SQLSTATEs of what may well succeed a moment later."""

Made = TypeVar("Made")

_LONGEST_PAUSE_SECONDS = 10.0


@dataclass(frozen=True)
class Patience:
    """How often a step that met a lock is tried again, with pauses that double from the first."""

    attempts: int = 12
    first_pause_seconds: float = 0.5
    concurrent_lock_timeout_ms: int = CONCURRENT_LOCK_TIMEOUT_MS

    def pause(self, attempt: int) -> float:
        return min(self.first_pause_seconds * 2**attempt, _LONGEST_PAUSE_SECONDS)


_SET = text("SELECT set_config('lock_timeout', :value, false)")


class OutOfPatienceError(Exception):
    """The last attempt met a lock too."""

    def __init__(self, attempts: int, blockers: str) -> None:
        super().__init__(blockers)
        self.attempts = attempts
        self.blockers = blockers


@dataclass
class Attempts:
    """How this run waits, watches and tells, for one service."""

    service: str
    watch: Watch | None = None
    """None on a database where nobody else is."""
    progress: Progress = silent
    patience: Patience = field(default_factory=Patience)

    async def in_transaction(
        self, connection: AsyncConnection, doing: str, work: Callable[[], Awaitable[Made]]
    ) -> Made:
        """Do the work in a transaction that waits for no lock long. Raises OutOfPatienceError and DBAPIError."""

        async def once() -> Made:
            async with connection.begin():
                await connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
                async with await self._watched(connection, doing, LOCK_TIMEOUT_MS / 1000):
                    return await work()

        return await self._repeated(doing, once)

    async def outside(self, connection: AsyncConnection, doing: str, work: Callable[[], Awaitable[Made]]) -> Made:
        """Do work that can be repeated from its beginning, on an autocommit connection. Raises as `in_transaction`."""

        async def once() -> Made:
            async with await self._watched(connection, doing, None):
                return await work()

        return await self._repeated(doing, once)

    def tell(self, what: str, share: float | None = None) -> None:
        self.progress(Step(self.service, what, share=share))

    async def _repeated(self, doing: str, once: Callable[[], Awaitable[Made]]) -> Made:
        for attempt in range(self.patience.attempts):
            try:
                return await once()
            except DBAPIError as error:
                if not self._passes(error):
                    raise
            pause = self.patience.pause(attempt)
            self.progress(Step(self.service, f"{doing}: {self.blockers()}; again in {pause:g} s", "waiting"))
            await asyncio.sleep(pause)
        raise OutOfPatienceError(self.patience.attempts, self.blockers())

    def blockers(self) -> str:
        return str(self.watch) if self.watch else "blocked by a session that nobody looked at"

    def _passes(self, error: DBAPIError) -> bool:
        given_up = self.watch is not None and self.watch.gave_up and sqlstate(error) == "57014"
        return given_up or sqlstate(error) in PASSING

    async def _watched(
        self, connection: AsyncConnection, doing: str, longest_wait_seconds: float | None
    ) -> AbstractAsyncContextManager[None]:
        if self.watch is None:
            return nullcontext()
        pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        return self.watch.over(
            pid,
            told=lambda what, share: self.tell(f"{doing}: {what}", share),
            longest_wait_seconds=longest_wait_seconds,
        )


@asynccontextmanager
async def lock_timeout(connection: AsyncConnection, milliseconds: int) -> AsyncGenerator[None]:
    """Another `lock_timeout` for an autocommit session; the one before is put back at the end."""
    before = (await connection.execute(text("SHOW lock_timeout"))).scalar_one()
    await connection.execute(_SET, {"value": str(milliseconds)})
    try:
        yield
    finally:
        if not connection.invalidated:
            await connection.execute(_SET, {"value": before})
