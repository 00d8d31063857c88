"""The statements of passkeys."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.passkeys.tables import WebAuthnCredential


async def count(connection: AsyncConnection, user_id: UUID) -> int:
    """How many credentials a user has (ix_webauthn_credentials_user_id)."""
    statement = select(func.count()).where(WebAuthnCredential.user_id == user_id)
    return (await connection.execute(statement)).scalar_one()
