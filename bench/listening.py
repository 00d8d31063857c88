"""A connection to a database, and all that was sent on it: what the benches of user explain with PostgreSQL's help."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

Said = list[tuple[str, Any]]
"""Statements and their values, in the order in which they were sent."""


@asynccontextmanager
async def listening(url: str) -> AsyncGenerator[tuple[AsyncConnection, Said]]:
    """Each statement its own transaction."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"), pool_size=1)
    said: Said = []
    event.listen(
        engine.sync_engine, "before_cursor_execute", lambda _, __, words, values, *___: said.append((words, values))
    )
    async with engine.connect() as opened:
        yield await opened.execution_options(isolation_level="AUTOCOMMIT"), said
    await engine.dispose()
