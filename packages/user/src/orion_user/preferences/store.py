"""Every statement on `user_preferences`. Whoever changes some looks whether the user is there in `users`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_user.preferences.tables import KINDS, UserPreferences

PREFERENCES = table_of(UserPreferences)


async def insert_preferences(connection: AsyncConnection, user_id: UUID, locale: str, timezone: str) -> None:
    """Add the row of a new user."""
    await connection.execute(insert(PREFERENCES).values(user_id=user_id, locale=locale, timezone=timezone))


INSERT_MANY = text("""
    INSERT INTO user_preferences (user_id, locale, timezone)
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:locales AS text[]), CAST(:timezones AS text[]))
    ON CONFLICT (user_id) DO NOTHING                                          -- uq_user_preferences_user_id
""")


async def insert_many(connection: AsyncConnection, rows: Sequence[tuple[UUID, str, str]]) -> None:
    """Add the rows of new users: id, locale, time zone."""
    ids, locales, timezones = (list(column) for column in zip(*rows, strict=True))
    await connection.execute(INSERT_MANY, {"ids": ids, "locales": locales, "timezones": timezones})


async def preferences(connection: AsyncConnection, user_id: UUID) -> RowMapping:
    """Language and time zone of a user. By uq_user_preferences_user_id."""
    statement = select(UserPreferences.locale, UserPreferences.timezone).where(UserPreferences.user_id == user_id)
    return (await connection.execute(statement)).mappings().one()


IS_LIVING = text("""
    EXISTS (SELECT FROM users WHERE users.id = user_preferences.user_id AND users.deleted_at IS NULL)    -- pk_users
""")


async def documents(connection: AsyncConnection, user_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """All of a user's preferences; if asked, locked against other changes, and then only a living user's.

    By uq_user_preferences_user_id.
    """
    columns = [UserPreferences.locale, UserPreferences.timezone, *(PREFERENCES.c[kind] for kind in KINDS)]
    statement = select(*columns).where(UserPreferences.user_id == user_id)
    if lock:
        statement = statement.where(IS_LIVING).with_for_update()
    found = await connection.execute(statement)
    return found.mappings().one_or_none()


async def change_preferences(connection: AsyncConnection, user_id: UUID, values: dict[str, Any]) -> None:
    """Set columns of a user's row. By uq_user_preferences_user_id."""
    await connection.execute(update(PREFERENCES).where(UserPreferences.user_id == user_id).values(values))


CHOOSERS = text("""
    SELECT users.id
    FROM user_preferences AS chosen
    JOIN users ON users.id = chosen.user_id                                                             -- pk_users
    WHERE chosen.user_id > :after                                                    -- uq_user_preferences_user_id
      AND (chosen.notifications <> '{}' OR chosen.security <> '{}' OR chosen.updated_at > chosen.created_at)
      AND NOT EXISTS (SELECT FROM erasures WHERE erasures.user_id = users.id)
    ORDER BY chosen.user_id
    LIMIT :limit
    FOR SHARE OF users
""")


async def hold_choosers(connection: AsyncConnection, after: UUID, limit: int) -> Sequence[UUID]:
    """The next users who have chosen what others may heed, kept from being erased until the transaction ends.

    A language or zone that was changed back looks like one that never was: so all count whose row was ever changed.

    Whoever can still be restored is among them, whoever is about to be forgotten not. It reads across slices, since
    that has to hold at the moment of the lock.
    """
    found = await connection.execute(CHOOSERS, {"after": after, "limit": limit})
    return found.scalars().all()


async def hold_choices(connection: AsyncConnection, user_ids: Sequence[UUID]) -> Sequence[RowMapping]:
    """What these users have chosen, which nobody changes until the transaction ends. By uq_user_preferences_user_id."""
    names = ("user_id", "locale", "timezone", "notifications", "security")
    statement = (
        select(*(PREFERENCES.c[name] for name in names))
        .where(UserPreferences.user_id.in_(user_ids))
        .order_by(UserPreferences.user_id)
        .with_for_update()
    )
    return (await connection.execute(statement)).mappings().all()
