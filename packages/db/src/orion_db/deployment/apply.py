"""A revision applied or taken back: in one transaction with its record, or step by step where it cannot be one."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.deployment.attempts import Attempts, OutOfPatienceError, Patience
from orion_db.deployment.failures import half_done, unfinished_problem
from orion_db.deployment.fence import fenced
from orion_db.deployment.steps import MigrationStep, steps
from orion_db.deployment.stepwise import Stepwise, milliseconds_since
from orion_db.deployment.unfinished import Unfinished, begin, follow_file, read_unfinished
from orion_db.deployment.watch import Watch
from orion_db.history import KEPT, forget, record
from orion_db.progress import Progress, silent
from orion_db.revisions import Direction, Revision
from orion_db.targets import Target


@dataclass
class Migrator:
    """Takes a database one revision forth or back; `connection` acts as the owner.

    Without a `watch`, nobody else may be on the database: no table is in use, so nothing needs to be concurrent.
    """

    target: Target
    connection: AsyncConnection
    watch: Watch | None = None
    progress: Progress = silent
    patience: Patience = field(default_factory=Patience)

    async def apply(self, revision: Revision) -> int | None:
        """Apply the revision; its duration in milliseconds, or None when somebody else has applied it meanwhile."""
        return await self._run(revision, "upgrade")

    async def revert(self, revision: Revision) -> int | None:
        """Take the revision back; None when it is not applied."""
        return await self._run(revision, "downgrade")

    async def _run(self, revision: Revision, direction: Direction) -> int | None:
        attempts = Attempts(self.target.service.name, self.watch, self.progress, self.patience)
        async with self._explained(revision, direction):
            begun = await attempts.in_transaction(
                self.connection, revision.name, lambda: self._begun(revision, direction)
            )
            if isinstance(begun, MigrationStep):
                return await attempts.in_transaction(
                    self.connection, revision.name, lambda: self._whole(revision, direction)
                )
        return None if begun is None else await Stepwise(self.target, self.connection, attempts, revision, begun).run()

    async def _begun(self, revision: Revision, direction: Direction) -> Unfinished | MigrationStep | None:
        """What is to be done: the rest of a revision of several steps, which is recorded now; one transaction; nothing.

        Raises Problem `half_done` when another revision has to be finished first, and `edited_half_done`.
        """
        if await self._is_there(revision, direction):
            return None
        cut = steps(revision, await existing_tables(self.connection) if self.watch else (), direction)
        found = await read_unfinished(self.connection)
        if found is None and len(cut) == 1 and cut[0].kind == "transaction":
            return cut[0]
        if found is None:
            await begin(self.connection, revision, direction, cut)
        elif (found.name, found.direction) != (revision.name, direction):
            raise half_done(self.target.service, found)
        elif found.checksum != revision.checksum:
            if cut[: found.done] != found.steps[: found.done]:
                raise half_done(self.target.service, found, edited=True)
            await follow_file(self.connection, revision, cut)
        return await read_unfinished(self.connection)

    async def _whole(self, revision: Revision, direction: Direction) -> int | None:
        if await self._is_there(revision, direction):
            return None
        started = time.perf_counter()
        await self.connection.run_sync(revision.upgrade if direction == "upgrade" else revision.downgrade)
        milliseconds = milliseconds_since(started)
        if direction == "upgrade":
            await record(self.connection, revision, milliseconds)
        else:
            await forget(self.connection, revision)
        return milliseconds

    async def _is_there(self, revision: Revision, direction: Direction) -> bool:
        """Whether the database is already where this direction leads to."""
        return (revision.name in await fenced(self.connection)) is (direction == "upgrade")

    @asynccontextmanager
    async def _explained(self, revision: Revision, direction: Direction) -> AsyncGenerator[None]:
        try:
            yield
        except (DBAPIError, OutOfPatienceError) as error:
            raise unfinished_problem(self.target.service, revision, direction, error) from error


async def existing_tables(connection: AsyncConnection) -> set[str]:
    """Tables and materialized views that others may be using."""
    found = await connection.execute(
        text("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'm') AND pg_table_is_visible(oid)")
    )
    return {*found.scalars()} - KEPT
