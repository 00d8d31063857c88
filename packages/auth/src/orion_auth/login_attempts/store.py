"""The statement of login attempts."""

from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.login_attempts.tables import LoginAttempt


async def insert_attempt(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Append an attempt."""
    await connection.execute(insert(LoginAttempt).values(values))
