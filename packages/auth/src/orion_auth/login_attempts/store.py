"""The statements of login attempts."""

from typing import Any
from uuid import UUID

from sqlalchemy import exists, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.login_attempts.tables import LoginAttempt, LoginAttemptStatus


async def insert_attempt(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Append an attempt."""
    await connection.execute(insert(LoginAttempt).values(values))


async def has_signed_in(connection: AsyncConnection, user_id: UUID) -> bool:
    """Whether an attempt of the user's has succeeded (ix_login_attempts_user_id_attempted_at)."""
    came_in = LoginAttempt.status.in_((LoginAttemptStatus.SUCCESS, LoginAttemptStatus.SUSPICIOUS))
    found = exists().where(LoginAttempt.user_id == user_id, came_in)
    return bool((await connection.execute(select(found))).scalar_one())
