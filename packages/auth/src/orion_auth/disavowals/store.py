"""The statements of disavowals. Each finds its row by the primary key."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.disavowals.tables import Disavowal


async def insert_disavowal(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Append a link."""
    await connection.execute(insert(Disavowal).values(values))


async def find(connection: AsyncConnection, notice_id: UUID) -> AnyRow | None:
    """A link by the notice it stands in (pk_disavowals)."""
    columns = (Disavowal.secret_hash, Disavowal.expires_at, Disavowal.used_at)
    return (await connection.execute(select(*columns).where(Disavowal.id == notice_id))).one_or_none()


async def use(connection: AsyncConnection, notice_id: UUID, secret_hash: bytes, now: datetime) -> AnyRow | None:
    """Use up a link (pk_disavowals). Of several presses at once, one gets the row."""
    statement = (
        update(Disavowal)
        .where(
            Disavowal.id == notice_id,
            Disavowal.secret_hash == secret_hash,
            Disavowal.used_at.is_(None),
            Disavowal.expires_at > now,
        )
        .values(used_at=now)
        .returning(Disavowal.user_id, Disavowal.device_id, Disavowal.expires_at)
    )
    return (await connection.execute(statement)).one_or_none()
