"""Statements on webhook_endpoints: each row by its key, a user's by ix_webhook_endpoints_user_id."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_notifications.webhooks.tables import WebhookEndpoint

ENDPOINTS = table_of(WebhookEndpoint)

HOLD_OWNER = text("SELECT pg_advisory_xact_lock(hashtextextended('webhook_endpoints ' || CAST(:owner AS text), 0))")

SUCCEEDED = text("""
UPDATE webhook_endpoints SET last_success_at = :now, failing_since = NULL
WHERE id = :endpoint_id AND (failing_since IS NOT NULL OR last_success_at IS NULL OR last_success_at < :recently)
""")


async def of_owner(connection: AsyncConnection, user_id: UUID | None) -> list[RowMapping]:
    """A user's endpoints, or the operator's."""
    statement = select(ENDPOINTS).where(_of(user_id)).order_by(ENDPOINTS.c.id)
    return list((await connection.execute(statement)).mappings())


async def find(connection: AsyncConnection, endpoint_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """One endpoint (pk_webhook_endpoints)."""
    statement = select(ENDPOINTS).where(ENDPOINTS.c.id == endpoint_id)
    return (await connection.execute(statement.with_for_update() if lock else statement)).mappings().one_or_none()


async def hold_owner(connection: AsyncConnection, user_id: UUID | None) -> None:
    """Let nobody else add to this owner's endpoints until the transaction ends."""
    await connection.execute(HOLD_OWNER, {"owner": str(user_id)})


async def count(connection: AsyncConnection, user_id: UUID | None) -> int:
    """How many an owner has (ix_webhook_endpoints_user_id)."""
    return (await connection.execute(select(func.count()).where(_of(user_id)))).scalar_one()


async def add(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """A new endpoint."""
    await connection.execute(insert(ENDPOINTS).values(values))


async def change(connection: AsyncConnection, endpoint_id: UUID, values: dict[str, Any]) -> None:
    """Other values of an endpoint (pk_webhook_endpoints)."""
    await connection.execute(update(ENDPOINTS).where(ENDPOINTS.c.id == endpoint_id).values(values))


async def remove(connection: AsyncConnection, endpoint_id: UUID) -> None:
    """An endpoint (pk_webhook_endpoints)."""
    await connection.execute(delete(ENDPOINTS).where(ENDPOINTS.c.id == endpoint_id))


async def succeeded(connection: AsyncConnection, endpoint_id: UUID, now: datetime, recently: datetime) -> None:
    """Note that a delivery arrived, unless one did a moment ago: the row is not to be written at every delivery."""
    await connection.execute(SUCCEEDED, {"endpoint_id": endpoint_id, "now": now, "recently": recently})


async def failed(connection: AsyncConnection, endpoint_id: UUID, now: datetime) -> datetime | None:
    """Note that a delivery failed; since when they all do."""
    statement = (
        update(ENDPOINTS)
        .where(ENDPOINTS.c.id == endpoint_id, ENDPOINTS.c.failing_since.is_(None))
        .values(failing_since=now)
    )
    await connection.execute(statement)
    row = await find(connection, endpoint_id)
    return None if row is None else row["failing_since"]


async def disable(connection: AsyncConnection, endpoint_id: UUID, reason: str, now: datetime) -> bool:
    """Deliver nothing there any more; whether that is news."""
    statement = (
        update(ENDPOINTS)
        .where(ENDPOINTS.c.id == endpoint_id, ENDPOINTS.c.disabled_at.is_(None))
        .values(disabled_at=now, disabled_reason=reason)
    )
    return (await connection.execute(statement)).rowcount == 1


def _of(user_id: UUID | None) -> ColumnElement[bool]:
    # IS NOT DISTINCT FROM would use no index.
    return ENDPOINTS.c.user_id.is_(None) if user_id is None else ENDPOINTS.c.user_id == user_id
