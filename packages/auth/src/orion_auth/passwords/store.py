"""The statements of password resets."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.passwords.tables import PasswordReset

_IS_OPEN = (PasswordReset.used_at.is_(None), PasswordReset.attempts_count < PasswordReset.max_attempts)


async def insert_reset(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Insert a request."""
    await connection.execute(insert(PasswordReset).values(values))


async def find_open(connection: AsyncConnection, selector: str, now: datetime) -> AnyRow | None:
    """The request of that selector, while it may be used (uq_password_resets_token)."""
    columns = (PasswordReset.id, PasswordReset.token_hash, PasswordReset.user_id, PasswordReset.email)
    statement = select(*columns).where(PasswordReset.token == selector, PasswordReset.expires_at > now, *_IS_OPEN)
    return (await connection.execute(statement)).one_or_none()


async def count_wrong_secret(connection: AsyncConnection, reset_id: UUID) -> None:
    """Count a try with a wrong secret (primary key); the last one closes the request."""
    statement = update(PasswordReset).where(PasswordReset.id == reset_id, *_IS_OPEN)
    await connection.execute(statement.values(attempts_count=PasswordReset.attempts_count + 1))


async def use(connection: AsyncConnection, reset_id: UUID, now: datetime) -> bool:
    """Use a request up (primary key). Of several who try at once, one does."""
    statement = (
        update(PasswordReset)
        .where(PasswordReset.id == reset_id, PasswordReset.expires_at > now, *_IS_OPEN)
        .values(used_at=now)
        .returning(PasswordReset.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def close_all(connection: AsyncConnection, user_id: UUID, now: datetime) -> None:
    """Let no request of a user be used any more (ix_password_resets_user_id_requested_at)."""
    statement = update(PasswordReset).where(PasswordReset.user_id == user_id, PasswordReset.used_at.is_(None))
    await connection.execute(statement.values(used_at=now))
