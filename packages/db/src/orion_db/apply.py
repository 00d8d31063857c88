"""One revision, one transaction: its statements and the record of it come together or not at all."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.errors import Exit, Problem, reason, sqlstate
from orion_db.history import forget, read_history, record
from orion_db.locks import Watch
from orion_db.progress import Progress, Step, silent
from orion_db.revisions import Revision
from orion_db.targets import Target

LOCK_TIMEOUT_MS = 2000
"""How long a statement may queue for a table's lock, all others queueing behind it, before the step is tried anew."""

_PASSING = {"55P03": "lock_not_available", "40P01": "deadlock_detected", "40001": "serialization_failure"}
_LONGEST_PAUSE_SECONDS = 10.0


@dataclass(frozen=True)
class Patience:
    """How often a step that met a lock is tried again, with pauses that double from the first."""

    attempts: int = 12
    first_pause_seconds: float = 0.5

    def pause(self, attempt: int) -> float:
        return min(self.first_pause_seconds * 2**attempt, _LONGEST_PAUSE_SECONDS)


@dataclass
class Migrator:
    """Takes a database one revision forth or back, on one connection that acts as the owner."""

    target: Target
    connection: AsyncConnection
    watch: Watch | None = None
    progress: Progress = silent
    patience: Patience = field(default_factory=Patience)

    async def apply(self, revision: Revision) -> int | None:
        """Apply the revision; its duration in milliseconds, or None when somebody else has applied it meanwhile."""
        return await self._retried(revision, self._apply)

    async def revert(self, revision: Revision) -> int | None:
        """Take the revision back; None when it is not applied."""
        return await self._retried(revision, self._revert)

    async def _apply(self, revision: Revision) -> int | None:
        if revision.name in await self._begin():
            return None
        started = time.perf_counter()
        await self.connection.run_sync(revision.upgrade)
        duration = _milliseconds_since(started)
        await record(self.connection, revision, duration)
        return duration

    async def _revert(self, revision: Revision) -> int | None:
        if revision.name not in await self._begin():
            return None
        started = time.perf_counter()
        await self.connection.run_sync(revision.downgrade)
        await forget(self.connection, revision)
        return _milliseconds_since(started)

    async def _begin(self) -> set[str]:
        """Set the limits of this transaction and fence it; the names that are applied.

        The advisory lock may be lost with its connection without this session noticing. The lock on the table is of
        this transaction itself, so two sessions can never apply the same revision; readers pass.
        """
        await self.connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
        await self.connection.execute(text("LOCK TABLE public.schema_migrations IN SHARE ROW EXCLUSIVE MODE"))
        return {applied.name for applied in await read_history(self.connection)}

    async def _retried(self, revision: Revision, step: Callable[[Revision], Awaitable[int | None]]) -> int | None:
        for attempt in range(self.patience.attempts):
            try:
                return await self._once(revision, step)
            except DBAPIError as error:
                if sqlstate(error) not in _PASSING:
                    raise self._failed(revision, error) from error
                pause = self.patience.pause(attempt)
                waiting = f"{revision.name}: {self._blockers()}; again in {pause:g} s"
                self.progress(Step(self.target.service.name, waiting, "waiting"))
            await asyncio.sleep(pause)
        raise Problem(
            "blocked",
            Exit.LOCKED,
            f"{self.target.service.name}: {revision.name} did not get its locks in {self.patience.attempts} attempts. "
            "Nothing of it was applied.",
            self._blockers().capitalize() + ".",
            "End the sessions that are in the way, or wait for them, and repeat.",
        )

    async def _once(self, revision: Revision, step: Callable[[Revision], Awaitable[int | None]]) -> int | None:
        async with self.connection.begin():
            if self.watch is None:
                return await step(revision)
            pid = (await self.connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            async with self.watch.over(pid):
                return await step(revision)

    def _blockers(self) -> str:
        found = self.watch.blockers if self.watch else []
        return "blocked by " + ("; ".join(map(str, found)) or "a lock that was gone when we looked")

    def _failed(self, revision: Revision, error: DBAPIError) -> Problem:
        code = "permission_missing" if sqlstate(error) == "42501" else "migration_failed"
        statement = " ".join((error.statement or "").split())
        return Problem(
            code,
            Exit.FORBIDDEN if code == "permission_missing" else Exit.FAILED,
            f"{self.target.service.name}: the migration {revision.name} failed; nothing of it was applied.",
            f"{reason(error)} The statement was: {statement[:300]}",
            f"Correct {revision.file.name} or the data it met, and repeat; earlier migrations stay applied.",
        )


def _milliseconds_since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
