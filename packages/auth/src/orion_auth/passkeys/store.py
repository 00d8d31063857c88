"""The statements of passkeys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.passkeys.rules import NO_VALUE, WebAuthnPurpose
from orion_auth.passkeys.tables import WebAuthnChallenge, WebAuthnCredential, WebAuthnUser


async def count(connection: AsyncConnection, user_id: UUID) -> int:
    """How many credentials of a user are good (ix_webauthn_credentials_user_id)."""
    statement = select(func.count()).where(
        WebAuthnCredential.user_id == user_id, WebAuthnCredential.cloned_at.is_(None)
    )
    return (await connection.execute(statement)).scalar_one()


async def count_ways_in(connection: AsyncConnection, user_id: UUID) -> int:
    """How many of them let a user in alone (ix_webauthn_credentials_user_id)."""
    statement = select(func.count()).where(
        WebAuthnCredential.user_id == user_id,
        WebAuthnCredential.cloned_at.is_(None),
        WebAuthnCredential.user_verified,
        WebAuthnCredential.is_discoverable.is_not(False),
    )
    return (await connection.execute(statement)).scalar_one()


_ACCOUNT_ELSEWHERE = text("""
    SELECT EXISTS (
      SELECT
      FROM oauth_providers AS account                                                    -- ix_oauth_providers_user_id
      JOIN oauth_connections AS connection ON connection.name = account.provider         -- uq_oauth_connections_name
      WHERE account.user_id = :user_id AND connection.is_enabled
    )
""")


async def has_account_elsewhere(connection: AsyncConnection, user_id: UUID) -> bool:
    """Whether a linked account lets a user in. It reads across slices: social login stands on the ways in, and they on
    passkeys.
    """
    return (await connection.execute(_ACCOUNT_ELSEWHERE, {"user_id": user_id})).scalar_one()


async def list_of(connection: AsyncConnection, user_id: UUID) -> Sequence[AnyRow]:
    """All credentials of a user, the oldest first (ix_webauthn_credentials_user_id)."""
    statement = select(WebAuthnCredential.__table__).where(WebAuthnCredential.user_id == user_id)
    return (await connection.execute(statement.order_by(WebAuthnCredential.id))).all()


async def find(connection: AsyncConnection, credential_id: bytes) -> AnyRow | None:
    """A credential, with what authenticators know its user by (uq_webauthn_credentials_credential_id,
    uq_webauthn_users_user_id).
    """
    statement = (
        select(WebAuthnCredential.__table__, WebAuthnUser.handle)
        .join(WebAuthnUser, WebAuthnUser.user_id == WebAuthnCredential.user_id)
        .where(WebAuthnCredential.credential_id == credential_id)
    )
    return (await connection.execute(statement)).one_or_none()


async def add(connection: AsyncConnection, values: dict[str, Any]) -> AnyRow | None:
    """Add a credential; None when somebody has it (uq_webauthn_credentials_credential_id)."""
    statement = upsert(WebAuthnCredential).values(values)
    statement = statement.on_conflict_do_nothing(index_elements=[WebAuthnCredential.credential_id])
    return (await connection.execute(statement.returning(WebAuthnCredential.__table__))).one_or_none()


async def use(
    connection: AsyncConnection, row_id: UUID, *, sign_count: int, backed_up: bool, user_verified: bool, now: datetime
) -> bool:
    """Note that a credential was used, if its counter has grown or does not count (primary key).

    Of two that show the same counter at once, one is told True: the second waits for the first, and is compared anew.
    """
    kept = WebAuthnCredential.sign_count
    has_grown = kept == NO_VALUE if sign_count == NO_VALUE else kept < sign_count
    values: dict[str, Any] = {"sign_count": sign_count, "backed_up": backed_up, "last_used_at": now}
    if user_verified:
        values["user_verified"] = True
    statement = (
        update(WebAuthnCredential)
        .where(WebAuthnCredential.id == row_id, WebAuthnCredential.cloned_at.is_(None), has_grown)
        .values(values)
        .returning(WebAuthnCredential.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def mark_cloned(connection: AsyncConnection, row_id: UUID, now: datetime) -> bool:
    """Accept a credential no more (primary key); False when it was so already."""
    statement = update(WebAuthnCredential).where(
        WebAuthnCredential.id == row_id, WebAuthnCredential.cloned_at.is_(None)
    )
    statement = statement.values(cloned_at=now).returning(WebAuthnCredential.id)
    return (await connection.execute(statement)).one_or_none() is not None


async def rename(connection: AsyncConnection, user_id: UUID, row_id: UUID, name: str) -> AnyRow | None:
    """Call a credential of the user something else (primary key)."""
    statement = update(WebAuthnCredential).where(WebAuthnCredential.id == row_id, WebAuthnCredential.user_id == user_id)
    statement = statement.values(name=name).returning(WebAuthnCredential.__table__)
    return (await connection.execute(statement)).one_or_none()


async def remove(connection: AsyncConnection, user_id: UUID, row_id: UUID) -> AnyRow | None:
    """Remove a credential of the user (primary key)."""
    statement = delete(WebAuthnCredential).where(WebAuthnCredential.id == row_id, WebAuthnCredential.user_id == user_id)
    return (await connection.execute(statement.returning(WebAuthnCredential.__table__))).one_or_none()


async def remove_since(connection: AsyncConnection, user_id: UUID, since: datetime) -> int:
    """Remove the credentials that a user was given at that time or later (ix_webauthn_credentials_user_id)."""
    statement = delete(WebAuthnCredential).where(
        WebAuthnCredential.user_id == user_id, WebAuthnCredential.created_at >= since
    )
    return len((await connection.execute(statement.returning(WebAuthnCredential.id))).all())


async def remove_all(connection: AsyncConnection, user_id: UUID) -> None:
    """Remove all credentials of a user (ix_webauthn_credentials_user_id)."""
    await connection.execute(delete(WebAuthnCredential).where(WebAuthnCredential.user_id == user_id))


async def ensure_user(connection: AsyncConnection, user_id: UUID, handle: bytes) -> bytes:
    """What authenticators know the user by: `handle`, unless there is one (uq_webauthn_users_user_id)."""
    statement = upsert(WebAuthnUser).values(user_id=user_id, handle=handle)
    statement = statement.on_conflict_do_update(index_elements=[WebAuthnUser.user_id], set_={"user_id": user_id})
    return (await connection.execute(statement.returning(WebAuthnUser.handle))).scalar_one()


async def find_handle(connection: AsyncConnection, user_id: UUID) -> bytes | None:
    """What authenticators know the user by (uq_webauthn_users_user_id)."""
    return await connection.scalar(select(WebAuthnUser.handle).where(WebAuthnUser.user_id == user_id))


async def insert_challenge(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Insert a challenge."""
    await connection.execute(insert(WebAuthnChallenge).values(values))


async def take_challenge(
    connection: AsyncConnection, challenge_hash: bytes, purpose: WebAuthnPurpose, now: datetime
) -> AnyRow | None:
    """Take a challenge away, which decides: it is answered once (uq_webauthn_challenges_challenge_hash)."""
    statement = (
        delete(WebAuthnChallenge)
        .where(
            WebAuthnChallenge.challenge_hash == challenge_hash,
            WebAuthnChallenge.purpose == purpose,
            WebAuthnChallenge.expires_at > now,
        )
        .returning(WebAuthnChallenge.user_id, WebAuthnChallenge.sign_in_id, WebAuthnChallenge.needs_verification)
    )
    return (await connection.execute(statement)).one_or_none()
