"""The statements of signing keys; the table has a handful of rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.signing_keys.tables import SigningKey, SigningKeyStatus

FIRST_KEY_LOCK = 0x6F72696F6E20
"""Advisory lock under which the first key is made; advisory locks are per database."""


async def take_lock(connection: AsyncConnection) -> None:
    """Wait until no other process may be making a key; held until the transaction ends."""
    await connection.execute(select(func.pg_advisory_xact_lock(FIRST_KEY_LOCK)))


async def find_active(connection: AsyncConnection, algorithm: str) -> AnyRow | None:
    """The key that signs (uq_signing_keys_active)."""
    statement = select(SigningKey.id, SigningKey.kid, SigningKey.private_key).where(
        SigningKey.algorithm == algorithm, SigningKey.status == SigningKeyStatus.ACTIVE
    )
    return (await connection.execute(statement)).one_or_none()


async def insert_key(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Insert a key."""
    await connection.execute(insert(SigningKey).values(values))


async def list_public(connection: AsyncConnection) -> Sequence[dict[str, Any]]:
    """The public halves of all keys whose tokens may be about (ix_signing_keys_status)."""
    statement = select(SigningKey.public_jwk).where(
        SigningKey.status.in_((SigningKeyStatus.PENDING, SigningKeyStatus.ACTIVE, SigningKeyStatus.RETIRING))
    )
    return (await connection.scalars(statement.order_by(SigningKey.id))).all()
