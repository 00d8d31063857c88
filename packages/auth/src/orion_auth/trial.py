"""Doing something to see what it would do."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from orion_core.database import Database, Transaction


class _UndoneError(Exception):
    pass


@asynccontextmanager
async def transaction(database: Database, *, dry_run: bool) -> AsyncGenerator[Transaction]:
    """A transaction that is rolled back in the end when it was only a trial."""
    try:
        async with database.transaction() as begun:
            yield begun
            if dry_run:
                raise _UndoneError
    except _UndoneError:
        pass
