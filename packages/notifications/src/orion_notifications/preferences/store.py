"""Statements on user_preferences. Every one finds its row by the unique index on user_id."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, Uuid, any_, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.ids import uuid7
from orion_core.tables import table_of
from orion_notifications.preferences.tables import UserPreference

PREFERENCES = table_of(UserPreference)

INSERT_USERS = text("""
    INSERT INTO user_preferences (user_id, email, email_verified_at, name, locale, timezone)
    SELECT * FROM unnest(
      CAST(:user_id AS uuid[]), CAST(:email AS text[]), CAST(:email_verified_at AS timestamptz[]),
      CAST(:name AS text[]), CAST(:locale AS text[]), CAST(:timezone AS text[])
    )
    ON CONFLICT (user_id) DO UPDATE SET
      email = excluded.email,
      email_verified_at = excluded.email_verified_at,
      name = excluded.name,
      locale = excluded.locale,
      timezone = excluded.timezone
    WHERE user_preferences.email IS NULL
""")


async def insert_user(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """A new user's row; one that is already there keeps its switches and gets the address, name, language and zone."""
    statement = insert(PREFERENCES).values(id=uuid7(), **values)
    known = {name: statement.excluded[name] for name in values if name != "user_id"}
    await connection.execute(statement.on_conflict_do_update(index_elements=[PREFERENCES.c.user_id], set_=known))


async def insert_users(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows of many users. One without an address, made by a choice, keeps its switches; others stay as they are."""
    if rows:
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        await connection.execute(INSERT_USERS, columns)


async def set_email_verified(connection: AsyncConnection, user_id: UUID, email: str, verified_at: datetime) -> None:
    """The user's address is theirs."""
    change = {"email": email, "email_verified_at": verified_at}
    await connection.execute(update(PREFERENCES).where(PREFERENCES.c.user_id == user_id).values(change))


async def set_phone(connection: AsyncConnection, user_id: UUID, phone: str | None) -> None:
    """The user's phone number."""
    await connection.execute(update(PREFERENCES).where(PREFERENCES.c.user_id == user_id).values(phone=phone))


async def set_locale(connection: AsyncConnection, user_id: UUID, locale: str, timezone: str) -> None:
    """The user's language and zone."""
    change = {"locale": locale, "timezone": timezone}
    await connection.execute(update(PREFERENCES).where(PREFERENCES.c.user_id == user_id).values(change))


async def set_choices(connection: AsyncConnection, user_id: UUID, switches: dict[str, Any]) -> None:
    """The user's switches; makes the row of one who is not known yet."""
    statement = insert(PREFERENCES).values(id=uuid7(), user_id=user_id, **switches)
    await connection.execute(statement.on_conflict_do_update(index_elements=[PREFERENCES.c.user_id], set_=switches))


async def find(connection: AsyncConnection, user_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """The row of a user; nobody else changes it until the end, when locked. Messages are taken meanwhile (`keep`)."""
    statement = select(PREFERENCES).where(PREFERENCES.c.user_id == user_id)
    if lock:
        statement = statement.with_for_update(key_share=True)  # FOR NO KEY UPDATE
    return (await connection.execute(statement)).mappings().one_or_none()


async def keep(connection: AsyncConnection, user_id: UUID) -> RowMapping | None:
    """The row of a user, who is not erased until the end: erasures hold it FOR UPDATE, which this waits for."""
    statement = select(PREFERENCES).where(PREFERENCES.c.user_id == user_id).with_for_update(read=True, key_share=True)
    return (await connection.execute(statement)).mappings().one_or_none()


async def keep_many(connection: AsyncConnection, user_ids: Sequence[UUID]) -> Sequence[RowMapping]:
    """The rows of several users, none of whom is erased until the end. Locked in one order, as all do."""
    statement = (
        select(PREFERENCES)
        .where(PREFERENCES.c.user_id == any_(bindparam("user_ids", list(user_ids), type_=ARRAY(Uuid))))
        .order_by(PREFERENCES.c.user_id)
        .with_for_update(read=True, key_share=True)
    )
    return (await connection.execute(statement)).mappings().all()
