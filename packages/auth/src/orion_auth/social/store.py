"""The statements of social login."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, func, insert, literal, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.social.tables import FlowStatus, OAuthFlow, OAuthProvider
from orion_core.tables import table_of

_ACCOUNTS = table_of(OAuthProvider)
_FLOWS = table_of(OAuthFlow)


# ------------------------------------------------------------------------------------------------------------- journeys


async def insert_flow(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Insert a journey."""
    await connection.execute(insert(OAuthFlow).values(values))


async def take_back(
    connection: AsyncConnection, state_hash: bytes, provider: str, browser_hash: bytes, now: datetime
) -> AnyRow | None:
    """Take a journey that has come back, once, to the browser that began it (uq_oauth_flows_state_hash)."""
    statement = (
        update(OAuthFlow)
        .where(
            OAuthFlow.state_hash == state_hash,
            OAuthFlow.provider == provider,
            OAuthFlow.status == FlowStatus.STARTED,
            OAuthFlow.expires_at > now,
            or_(OAuthFlow.browser_hash.is_(None), OAuthFlow.browser_hash == browser_hash),
        )
        .values(status=FlowStatus.RETURNED)
        .returning(OAuthFlow.id, OAuthFlow.nonce_hash, OAuthFlow.code_verifier, OAuthFlow.return_to)
    )
    return (await connection.execute(statement)).one_or_none()


async def keep_proof(
    connection: AsyncConnection, flow_id: UUID, proof: bytes, code_hash: bytes, expires_at: datetime
) -> None:
    """Note what a journey has proved (primary key)."""
    statement = update(OAuthFlow).where(OAuthFlow.id == flow_id, OAuthFlow.status == FlowStatus.RETURNED)
    values = {"status": FlowStatus.PROVED, "proof": proof, "code_hash": code_hash, "expires_at": expires_at}
    await connection.execute(statement.values(code_verifier=None, **values))


async def hold_proved(
    connection: AsyncConnection, flow_id: UUID, flow_hash: bytes, code_hash: bytes, now: datetime
) -> AnyRow | None:
    """A journey that has proved something, for whoever has both its secrets, and for one at a time (primary key)."""
    statement = select(_FLOWS).where(
        _FLOWS.c.id == flow_id,
        _FLOWS.c.flow_hash == flow_hash,
        _FLOWS.c.code_hash == code_hash,
        _FLOWS.c.status == FlowStatus.PROVED,
        _FLOWS.c.expires_at > now,
    )
    return (await connection.execute(statement.with_for_update())).one_or_none()


async def use_up(connection: AsyncConnection, flow_id: UUID) -> None:
    """Let a journey that is held prove nothing more (primary key)."""
    statement = update(OAuthFlow).where(OAuthFlow.id == flow_id)
    await connection.execute(statement.values(status=FlowStatus.USED, proof=None, email_code_hash=None))


async def set_email_code(connection: AsyncConnection, flow_id: UUID, email: str, code_hash: bytes) -> None:
    """Note the code that was mailed; of several the last one counts (primary key)."""
    statement = update(OAuthFlow).where(OAuthFlow.id == flow_id)
    await connection.execute(statement.values(email=email, email_code_hash=code_hash))


async def count_try(connection: AsyncConnection, flow_id: UUID) -> None:
    """Count a guess at the mailed code of a journey that is held (primary key)."""
    statement = update(OAuthFlow).where(OAuthFlow.id == flow_id)
    await connection.execute(statement.values(email_tries=OAuthFlow.email_tries + 1))


# ------------------------------------------------------------------------------------------------------ linked accounts


async def hold_subject(connection: AsyncConnection, provider: str, subject: str) -> AnyRow | None:
    """The linked account of a subject (uq_oauth_providers_provider_provider_id).

    Until the transaction ends nobody else decides about that subject, not even while there is no row to lock.
    """
    lock = func.pg_advisory_xact_lock(func.hashtextextended(f"oauth {provider} {subject}", 0))
    await connection.execute(select(lock))
    statement = select(_ACCOUNTS).where(_ACCOUNTS.c.provider == provider, _ACCOUNTS.c.provider_id == subject)
    return (await connection.execute(statement)).one_or_none()


async def insert_account(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Link an account; the first one of a user is his primary (ix_oauth_providers_user_id)."""
    has_one = select(_ACCOUNTS.c.id).where(_ACCOUNTS.c.user_id == values["user_id"]).exists()
    await connection.execute(insert(OAuthProvider).values(values | {"is_primary": ~has_one}))


async def change_account(connection: AsyncConnection, account_id: UUID, values: dict[str, Any]) -> bool:
    """Change columns of a linked account (primary key); False when it was unlinked meanwhile."""
    statement = update(OAuthProvider).where(OAuthProvider.id == account_id).values(values).returning(OAuthProvider.id)
    return (await connection.execute(statement)).one_or_none() is not None


async def list_of_user(connection: AsyncConnection, user_id: UUID) -> Sequence[AnyRow]:
    """A user's linked accounts, oldest first (ix_oauth_providers_user_id)."""
    statement = select(_ACCOUNTS).where(_ACCOUNTS.c.user_id == user_id).order_by(_ACCOUNTS.c.id)
    return (await connection.execute(statement)).all()


async def remove(connection: AsyncConnection, account_id: UUID) -> None:
    """Unlink an account (primary key)."""
    await connection.execute(delete(OAuthProvider).where(OAuthProvider.id == account_id))


async def set_primary(connection: AsyncConnection, user_id: UUID, account_id: UUID) -> None:
    """Make one of a user's accounts his primary, and no other (uq_oauth_providers_primary)."""
    of_user = update(OAuthProvider).where(OAuthProvider.user_id == user_id)
    await connection.execute(of_user.where(OAuthProvider.is_primary).values(is_primary=False))
    await connection.execute(of_user.where(OAuthProvider.id == account_id).values(is_primary=True))


# --------------------------------------------------------------------------------------------------- keeping them fresh
# One process of many claims a row by one UPDATE; what it changes later is fenced by the tokens that it claimed.

_CLAIM_REFRESHES = text("""
    WITH due AS (
      SELECT id
      FROM oauth_providers                                      -- ix_oauth_providers_token_expires_at
      WHERE refresh_token IS NOT NULL AND token_expires_at <= :due
        AND (refresh_retry_at IS NULL OR refresh_retry_at <= :now)
      ORDER BY token_expires_at
      LIMIT :limit
      FOR UPDATE SKIP LOCKED
    )
    UPDATE oauth_providers AS account SET refresh_retry_at = :until
    FROM due
    WHERE account.id = due.id
    RETURNING account.id, account.user_id, account.provider, account.refresh_token, account.access_token,
      account.refresh_failures
""")

_CLAIM_PROFILES = text("""
    WITH due AS (
      SELECT id
      FROM oauth_providers                                      -- ix_oauth_providers_sync_due_at
      WHERE sync_due_at <= :now
      ORDER BY sync_due_at
      LIMIT :limit
      FOR UPDATE SKIP LOCKED
    )
    UPDATE oauth_providers AS account SET sync_due_at = :until
    FROM due
    WHERE account.id = due.id
    RETURNING account.id, account.user_id, account.provider, account.provider_id, account.access_token,
      account.refresh_token, account.token_expires_at, account.profile
""")


async def claim_refreshes(
    connection: AsyncConnection, due: datetime, now: datetime, until: datetime, limit: int
) -> Sequence[AnyRow]:
    """Accounts whose tokens end by `due`, for the caller alone `until` then."""
    values = {"due": due, "now": now, "until": until, "limit": limit}
    return (await connection.execute(_CLAIM_REFRESHES, values)).all()


async def claim_profiles(connection: AsyncConnection, now: datetime, until: datetime, limit: int) -> Sequence[AnyRow]:
    """Accounts whose profile is to be read again, for the caller alone `until` then."""
    return (await connection.execute(_CLAIM_PROFILES, {"now": now, "until": until, "limit": limit})).all()


async def keep_tokens(connection: AsyncConnection, row: AnyRow, values: dict[str, Any], until: datetime) -> None:
    """The new tokens, left alone `until` then, unless a sign-in has brought others meanwhile (primary key).

    One that brought an access token alone keeps that. The refresh token that was used is worth nothing any more, and
    what the provider gave in its place is kept as long as the used one is there.
    """
    is_still = OAuthProvider.access_token.is_not_distinct_from(row.access_token)
    refreshed = {column: value for column, value in values.items() if column != "refresh_token"}
    refreshed |= {"refresh_failures": 0, "refresh_retry_at": until}
    statement = update(OAuthProvider).where(
        OAuthProvider.id == row.id, OAuthProvider.refresh_token.is_not_distinct_from(row.refresh_token)
    )
    changes: dict[str, Any] = {
        column: case((is_still, literal(value, _ACCOUNTS.c[column].type)), else_=_ACCOUNTS.c[column])
        for column, value in refreshed.items()
    }
    rotated = {"refresh_token": values["refresh_token"]} if "refresh_token" in values else {}
    await connection.execute(statement.values(changes | rotated))


async def put_off(connection: AsyncConnection, row: AnyRow, failures: int, until: datetime) -> None:
    """Try again later (primary key)."""
    await connection.execute(_still(row).values(refresh_failures=failures, refresh_retry_at=until))


async def end_access(connection: AsyncConnection, row: AnyRow, now: datetime) -> bool:
    """Forget the tokens; False when they have been replaced meanwhile (primary key)."""
    gone = {"access_token": None, "refresh_token": None, "token_expires_at": None, "sync_due_at": None}
    ended = _still(row).values(**gone, refresh_retry_at=None, access_ended_at=now).returning(OAuthProvider.id)
    return (await connection.execute(ended)).one_or_none() is not None


async def keep_profile(connection: AsyncConnection, row: AnyRow, values: dict[str, Any]) -> bool:
    """What the provider says now; False when a sign-in has brought news meanwhile (primary key)."""
    statement = _still(row).where(OAuthProvider.profile == row.profile).values(values).returning(OAuthProvider.id)
    return (await connection.execute(statement)).one_or_none() is not None


async def give_up_reading(connection: AsyncConnection, row: AnyRow, expired_at: datetime | None) -> None:
    """Read no more until the next sign-in; where the token was refused, have it refreshed first (primary key)."""
    values = {"sync_due_at": None} if expired_at is None else {"token_expires_at": expired_at}
    await connection.execute(_still(row).values(values))


def _still(row: AnyRow) -> Any:
    """The account, if its tokens are those that were claimed."""
    return update(OAuthProvider).where(
        OAuthProvider.id == row.id,
        OAuthProvider.access_token.is_not_distinct_from(row.access_token),
        OAuthProvider.refresh_token.is_not_distinct_from(row.refresh_token),
    )
