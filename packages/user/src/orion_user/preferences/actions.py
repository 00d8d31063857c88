"""What can be done to preferences."""

from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_user.preferences import store


async def create(connection: AsyncConnection, user_id: UUID, *, locale: str, timezone: str) -> None:
    """Begin with the language and time zone that the user registered in, and defaults for everything else."""
    await store.insert_preferences(connection, user_id, locale, timezone)


async def read(connection: AsyncConnection, user_id: UUID) -> RowMapping:
    """Language and time zone of a user."""
    return await store.preferences(connection, user_id)


async def change(connection: AsyncConnection, user_id: UUID, values: dict[str, Any]) -> None:
    """Set language, time zone."""
    if values:
        await store.change_preferences(connection, user_id, values)
