"""What the other slices may know of a user's passkeys."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.passkeys import store


async def count(connection: AsyncConnection, user_id: UUID) -> int:
    """How many passkeys and hardware keys the user has."""
    return await store.count(connection, user_id)
