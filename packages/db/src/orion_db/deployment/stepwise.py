"""A revision of several steps: each is committed with the record of it, or can be repeated from its beginning."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.connections import owner_connection
from orion_db.deployment.attempts import Attempts, OutOfPatienceError, lock_timeout
from orion_db.deployment.backfill import EndlessBackfillError, change_rows, count_rows, run_backfill
from orion_db.deployment.concurrent_indexes import ConcurrentIndexes
from orion_db.deployment.failures import endless, overtaken, unfinished_problem
from orion_db.deployment.fence import advanced, fenced_at
from orion_db.deployment.index_statements import CreateIndex, DropIndex, read_index_statement
from orion_db.deployment.steps import MigrationStep
from orion_db.deployment.unfinished import Unfinished, advance, end, read_unfinished
from orion_db.detach import statement_left
from orion_db.errors import Problem
from orion_db.history import forget, record
from orion_db.locks import STEP_LOCK_KEY, acquire
from orion_db.revisions import Revision
from orion_db.targets import Target


@dataclass
class Stepwise:
    """The rest of a revision that is begun, in its direction."""

    target: Target
    connection: AsyncConnection
    attempts: Attempts
    revision: Revision
    work: Unfinished

    async def run(self) -> int:
        """Do the steps that are left; how long all of them took, in milliseconds."""
        for number in range(self.work.done, len(self.work.steps)):
            step, doing = self.work.steps[number], self._doing(number)
            self.attempts.tell(f"{doing}: {step}")
            async with self._explained(number):
                await self._kinds()[step.kind](number, step, doing)
        async with self._explained(len(self.work.steps) - 1):
            return await self.attempts.in_transaction(self.connection, self.revision.name, self._finish)

    def _kinds(self) -> dict[str, Callable[[int, MigrationStep, str], Awaitable[None]]]:
        return {
            "transaction": self._transaction,
            "backfill": self._backfill,
            "concurrent index": self._index,
            "out of transaction": self._statement_outside,
        }

    async def _transaction(self, number: int, step: MigrationStep, doing: str) -> None:
        async def work() -> None:
            await fenced_at(self.connection, self.work.name, number)
            started = time.perf_counter()
            for statement in step.statements:
                await self.connection.exec_driver_sql(statement)
            if not step.statements:
                is_upgrade = self.work.direction == "upgrade"
                await self.connection.run_sync(self.revision.upgrade if is_upgrade else self.revision.downgrade)
            await advance(self.connection, self.work.name, steps=1, rows=0, milliseconds=milliseconds_since(started))

        await self.attempts.in_transaction(self.connection, doing, work)

    async def _backfill(self, number: int, step: MigrationStep, doing: str) -> None:
        rows = self.work.rows if number == self.work.done else 0

        async def batch(statement: str) -> int:
            nonlocal rows
            rows += (changed := await self._batch(number, statement, doing))
            self.attempts.tell(f"{doing}: {rows} rows filled")
            return changed

        async def all_rows() -> int | None:
            return await self.attempts.in_transaction(
                self.connection, doing, lambda: count_rows(self.connection, step.statements[0])
            )

        try:
            await run_backfill(step.statements[0], batch, all_rows)
        except EndlessBackfillError as error:
            raise endless(self.target.service, self.revision, error) from None
        await self._note(number, doing, 0)

    async def _batch(self, number: int, statement: str, doing: str) -> int:
        async def work() -> int:
            await fenced_at(self.connection, self.work.name, number)
            started = time.perf_counter()
            rows = await change_rows(self.connection, statement, self.work.name)
            milliseconds = milliseconds_since(started)
            await advance(self.connection, self.work.name, steps=0, rows=rows, milliseconds=milliseconds)
            return rows

        return await self.attempts.in_transaction(self.connection, doing, work)

    async def _index(self, number: int, step: MigrationStep, doing: str) -> None:
        index = read_index_statement(step.statements[0])
        started = time.perf_counter()
        async with self._outside(number) as outside:
            indexes = ConcurrentIndexes(
                outside,
                self.connection,
                self.attempts.patience.concurrent_lock_timeout_ms,
                lambda what: self.attempts.tell(f"{doing}: {what}"),
            )
            if isinstance(index, DropIndex):
                await self.attempts.outside(outside, doing, lambda: indexes.drop(index.names[0]))
            elif isinstance(index, CreateIndex):
                await self._build(number, indexes, index, doing)
        await self._note(number, doing, milliseconds_since(started))

    async def _build(self, number: int, indexes: ConcurrentIndexes, index: CreateIndex, doing: str) -> None:
        try:
            await self.attempts.outside(indexes.connection, doing, lambda: indexes.build(index))
        except (DBAPIError, OutOfPatienceError) as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
            raise self._problem(number, error, await indexes.left_invalid(index)) from error

    async def _statement_outside(self, number: int, step: MigrationStep, doing: str) -> None:
        started = time.perf_counter()
        async with self._outside(number) as outside:

            async def work() -> None:
                left = await statement_left(outside, step.statements[0])
                async with lock_timeout(outside, self.attempts.patience.concurrent_lock_timeout_ms):
                    if left is not None:
                        await outside.exec_driver_sql(left)

            await self.attempts.outside(outside, doing, work)
        await self._note(number, doing, milliseconds_since(started))

    @asynccontextmanager
    async def _outside(self, number: int) -> AsyncGenerator[AsyncConnection]:
        """An autocommit connection, when no earlier session is still running such a step on the server."""
        async with owner_connection(self.target, "migration, outside of a transaction", autocommit=True) as outside:
            doing = f"step of the migration of {self.target.database!r}"
            await acquire(outside, self.target, self.attempts.progress, doing=doing, key=STEP_LOCK_KEY)
            found = await read_unfinished(outside)
            if found is None or (found.name, found.done) != (self.work.name, number):
                raise overtaken(self.work.name)
            yield outside

    async def _note(self, number: int, doing: str, milliseconds: int) -> None:
        await self.attempts.in_transaction(
            self.connection, doing, lambda: advanced(self.connection, self.work.name, number, milliseconds)
        )

    async def _finish(self) -> int:
        await fenced_at(self.connection, self.work.name, len(self.work.steps))
        found = await read_unfinished(self.connection)
        milliseconds = found.duration_ms if found else 0
        if self.work.direction == "upgrade":
            await record(self.connection, self.revision, milliseconds, len(self.work.steps))
        else:
            await forget(self.connection, self.revision)
        await end(self.connection, self.work.name)
        return milliseconds

    @asynccontextmanager
    async def _explained(self, number: int) -> AsyncGenerator[None]:
        try:
            yield
        except (DBAPIError, OutOfPatienceError) as error:
            raise self._problem(number, error, None) from error

    def _problem(self, number: int, error: DBAPIError | OutOfPatienceError, invalid_index: str | None) -> Problem:
        return unfinished_problem(
            self.target.service,
            self.revision,
            self.work.direction,
            error,
            work=self.work,
            number=number,
            invalid_index=invalid_index,
        )

    def _doing(self, number: int) -> str:
        back = "back, " if self.work.direction == "downgrade" else ""
        return f"{self.revision.name}, {back}step {number + 1} of {len(self.work.steps)}"


def milliseconds_since(started: float) -> int:
    """Since a moment of `time.perf_counter()`."""
    return round((time.perf_counter() - started) * 1000)
