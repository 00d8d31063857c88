"""The statements of API keys."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.api_keys.tables import ApiKey
from orion_auth.base import AnyRow


async def put(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Write what user tells of a key; it tells all of it each time (pk_api_keys)."""
    statement = insert(ApiKey).values(values)
    changes = {column: statement.excluded[column] for column in values.keys() - {"id"}}
    await connection.execute(statement.on_conflict_do_update(index_elements=[ApiKey.id], set_=changes))


async def delete_of_user(connection: AsyncConnection, user_id: UUID) -> None:
    """Delete the keys of a user (ix_api_keys_user_id)."""
    await connection.execute(delete(ApiKey).where(ApiKey.user_id == user_id))


async def find(connection: AsyncConnection, prefix: str) -> AnyRow | None:
    """A key by its public part (uq_api_keys_prefix)."""
    statement = select(ApiKey.__table__).where(ApiKey.prefix == prefix)
    return (await connection.execute(statement)).one_or_none()
