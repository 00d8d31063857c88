"""Every statement on `user_preferences`."""

from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_user.preferences.tables import UserPreferences

PREFERENCES = table_of(UserPreferences)


async def insert_preferences(connection: AsyncConnection, user_id: UUID, locale: str, timezone: str) -> None:
    """Add the row of a new user."""
    await connection.execute(insert(PREFERENCES).values(user_id=user_id, locale=locale, timezone=timezone))


async def preferences(connection: AsyncConnection, user_id: UUID) -> RowMapping:
    """Language and time zone of a user. By uq_user_preferences_user_id."""
    statement = select(UserPreferences.locale, UserPreferences.timezone).where(UserPreferences.user_id == user_id)
    return (await connection.execute(statement)).mappings().one()


async def change_preferences(connection: AsyncConnection, user_id: UUID, values: dict[str, Any]) -> None:
    """Set columns of a user's row. By uq_user_preferences_user_id."""
    await connection.execute(update(PREFERENCES).where(UserPreferences.user_id == user_id).values(values))
