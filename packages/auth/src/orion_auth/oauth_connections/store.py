"""The statements of connections. There are a handful of rows; each is found by its unique name."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.oauth_connections.tables import OAuthConnection
from orion_core.tables import table_of

_TABLE = table_of(OAuthConnection)


async def list_all(connection: AsyncConnection) -> Sequence[AnyRow]:
    """All connections by name (uq_oauth_connections_name)."""
    return (await connection.execute(select(_TABLE).order_by(_TABLE.c.name))).all()


async def find(connection: AsyncConnection, name: str) -> AnyRow | None:
    """The connection of that name (uq_oauth_connections_name)."""
    return (await connection.execute(select(_TABLE).where(_TABLE.c.name == name))).one_or_none()


async def hold(connection: AsyncConnection, name: str) -> AnyRow | None:
    """The same, kept from changing until the transaction ends."""
    statement = select(_TABLE).where(_TABLE.c.name == name).with_for_update()
    return (await connection.execute(statement)).one_or_none()


async def insert_connection(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Insert a connection; IntegrityError when the name is taken."""
    await connection.execute(insert(OAuthConnection).values(values))


async def change(connection: AsyncConnection, connection_id: UUID, values: dict[str, Any], now: datetime) -> None:
    """Change columns of one connection (primary key)."""
    statement = update(OAuthConnection).where(OAuthConnection.id == connection_id)
    await connection.execute(statement.values(values | {"updated_at": now}))


_IS_IN_USE = text("""
    SELECT
      EXISTS (
        SELECT FROM oauth_providers WHERE provider = :name                -- uq_oauth_providers_provider_provider_id
      ) OR EXISTS (
        SELECT FROM oauth_flows                                           -- ix_oauth_flows_provider
        WHERE provider = :name AND status IN ('RETURNED', 'PROVED') AND expires_at > :now
      )
""")
"""It reads the tables of `social`, which stands on this slice."""


async def is_in_use(connection: AsyncConnection, name: str, now: datetime) -> bool:
    """Whether accounts are linked through a connection, or somebody has just come back by it and may yet link one.

    Who holds the connection keeps more from being linked.
    """
    return (await connection.execute(_IS_IN_USE, {"name": name, "now": now})).scalar_one()


async def remove(connection: AsyncConnection, connection_id: UUID) -> None:
    """Delete a connection (primary key); IntegrityError while accounts are linked through it."""
    await connection.execute(delete(OAuthConnection).where(OAuthConnection.id == connection_id))


async def list_enabled(connection: AsyncConnection) -> Sequence[AnyRow]:
    """Names of what is switched on (uq_oauth_connections_name)."""
    columns = (OAuthConnection.name, OAuthConnection.display_name)
    return (
        await connection.execute(select(*columns).where(OAuthConnection.is_enabled).order_by(OAuthConnection.name))
    ).all()
