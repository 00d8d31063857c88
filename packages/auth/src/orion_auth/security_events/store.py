"""The statement of security events."""

from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.security_events.tables import SecurityEvent


async def insert_event(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Append an event."""
    await connection.execute(insert(SecurityEvent).values(values))
