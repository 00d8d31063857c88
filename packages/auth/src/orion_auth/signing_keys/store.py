"""The statements of signing keys; the table has a handful of rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.signing_keys.rules import SigningKeyStatus
from orion_auth.signing_keys.tables import SigningKey

LOCK = 0x6F72696F6E20
"""Advisory lock under which keys are made and changed; advisory locks are per database."""

_PUBLISHED = SigningKey.status.in_((SigningKeyStatus.PENDING, SigningKeyStatus.ACTIVE, SigningKeyStatus.RETIRING))


async def take_lock(connection: AsyncConnection) -> None:
    """Wait until no other process may be changing keys; held until the transaction ends."""
    await connection.execute(select(func.pg_advisory_xact_lock(LOCK)))


async def list_published(connection: AsyncConnection) -> Sequence[AnyRow]:
    """All keys whose tokens may be about, or will be (ix_signing_keys_status)."""
    columns = (SigningKey.id, SigningKey.kid, SigningKey.algorithm, SigningKey.status, SigningKey.created_at)
    statement = select(*columns, SigningKey.activated_at, SigningKey.retires_at).where(_PUBLISHED)
    return (await connection.execute(statement.order_by(SigningKey.id))).all()


async def read_private(connection: AsyncConnection, key_id: UUID) -> AnyRow:
    """A key as it signs, sealed (pk_signing_keys)."""
    columns = (SigningKey.id, SigningKey.kid, SigningKey.algorithm, SigningKey.private_key)
    return (await connection.execute(select(*columns).where(SigningKey.id == key_id))).one()


async def insert_key(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Insert a key."""
    await connection.execute(insert(SigningKey).values(values))


async def activate(connection: AsyncConnection, key_id: UUID, now: datetime) -> None:
    """Have a published key sign (pk_signing_keys)."""
    statement = update(SigningKey).where(SigningKey.id == key_id)
    await connection.execute(statement.values(status=SigningKeyStatus.ACTIVE, activated_at=now))


async def retire_active(connection: AsyncConnection, retires_at: datetime) -> None:
    """Have whatever signs stop, and stay published until then (ix_signing_keys_status)."""
    statement = update(SigningKey).where(SigningKey.status == SigningKeyStatus.ACTIVE)
    await connection.execute(statement.values(status=SigningKeyStatus.RETIRING, retires_at=retires_at))


async def retire(connection: AsyncConnection, key_id: UUID) -> None:
    """Publish a key no longer (pk_signing_keys)."""
    statement = update(SigningKey).where(SigningKey.id == key_id)
    await connection.execute(statement.values(status=SigningKeyStatus.RETIRED))


async def retire_all(connection: AsyncConnection, now: datetime) -> None:
    """Publish no key that has signed any longer (ix_signing_keys_status)."""
    statement = update(SigningKey).where(SigningKey.status.in_((SigningKeyStatus.ACTIVE, SigningKeyStatus.RETIRING)))
    await connection.execute(statement.values(status=SigningKeyStatus.RETIRED, retires_at=now))


async def withdraw(connection: AsyncConnection, key_id: UUID) -> None:
    """Forget a key that has never signed (pk_signing_keys)."""
    statement = delete(SigningKey).where(SigningKey.id == key_id, SigningKey.status == SigningKeyStatus.PENDING)
    await connection.execute(statement)


async def list_public(connection: AsyncConnection) -> Sequence[dict[str, Any]]:
    """The public halves of all published keys (ix_signing_keys_status)."""
    statement = select(SigningKey.public_jwk).where(_PUBLISHED)
    return (await connection.scalars(statement.order_by(SigningKey.id))).all()
