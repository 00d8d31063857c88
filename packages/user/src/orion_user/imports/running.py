"""A whole file brought over, a few chunks at a time; cut off anywhere, it is gone on with from there."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO
from uuid import UUID

from orion_core.clock import Clock
from orion_core.database import Database
from orion_user.audit.actions import Actor
from orion_user.imports import actions
from orion_user.imports.reading import Read, chunks_of
from orion_user.imports.rules import ImportFormat
from orion_user.imports.shapes import ChunkShape, ImportShape
from orion_user.other_services import OtherServices

AT_ONCE = 3
"""Chunks under way: while one waits for auth, another is written here."""

Tell = Callable[[ChunkShape], None]


@dataclass(frozen=True)
class Runner:
    """What an import works with."""

    database: Database
    others: OtherServices
    clock: Clock
    operator: str
    tell: Tell
    """Called with the report of each chunk, in whatever order they are done."""
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def begin(self, file: BinaryIO, format_: ImportFormat) -> UUID:
        """Begin to bring over a file; the id by which it is gone on with."""
        columns, _ = chunks_of(format_, file)
        actor, now = Actor.service(self.operator), self.clock()
        begun = await actions.begin(self.database, format_, columns, by=self.operator, actor=actor, now=now)
        return begun.id

    async def go_on(self, import_id: UUID, file: BinaryIO, format_: ImportFormat) -> ImportShape:
        """Bring over what is left of the file: chunks that are done are passed over. How it stands afterwards.

        Raises the first Problem of a chunk, once the others under way are done.
        """
        _, chunks = chunks_of(format_, file)
        async with self.database.autocommit() as connection:
            await actions.find(connection, import_id)
            done = await actions.chunk_lengths(connection, import_id)
        try:
            async with asyncio.TaskGroup() as group:
                for first_line, lines in chunks:
                    if done.get(first_line, 0) < len(lines):
                        await self._places.acquire()
                        group.create_task(self._take_in(import_id, lines))
        except* Exception as failures:
            raise failures.exceptions[0] from None
        async with self.database.autocommit() as connection:
            return await actions.read(connection, import_id)

    async def _take_in(self, import_id: UUID, lines: list[Read]) -> None:
        try:
            actor = Actor.service(self.operator)
            self.tell(
                await actions.take_in(self.database, self.others, import_id, lines, actor=actor, now=self.clock())
            )
        finally:
            self._places.release()
