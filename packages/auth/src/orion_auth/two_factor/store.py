"""The statements of challenges."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.two_factor.tables import ChallengePurpose, TwoFactorChallenge


async def insert_challenge(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Insert a challenge."""
    await connection.execute(insert(TwoFactorChallenge).values(values))


async def count_try(
    connection: AsyncConnection, user_id: UUID, purpose: ChallengePurpose, now: datetime
) -> AnyRow | None:
    """Count a try against the newest challenge (ix_two_factor_challenges_user_id_purpose).

    None when it is no longer open, or has no tries left; older challenges never count. The row stays locked until the
    transaction ends, so tries at the same moment take turns.
    """
    newest = (
        select(TwoFactorChallenge.id)
        .where(
            TwoFactorChallenge.user_id == user_id,
            TwoFactorChallenge.purpose == purpose,
        )
        .order_by(TwoFactorChallenge.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    statement = (
        update(TwoFactorChallenge)
        .where(
            TwoFactorChallenge.id == newest,
            TwoFactorChallenge.consumed_at.is_(None),
            TwoFactorChallenge.expires_at > now,
            TwoFactorChallenge.attempts < TwoFactorChallenge.max_attempts,
        )
        .values(attempts=TwoFactorChallenge.attempts + 1)
        .returning(TwoFactorChallenge.id, TwoFactorChallenge.code_hash, TwoFactorChallenge.context)
    )
    return (await connection.execute(statement)).one_or_none()


async def consume(connection: AsyncConnection, challenge_id: UUID, now: datetime) -> None:
    """Close a challenge that was met (primary key)."""
    statement = update(TwoFactorChallenge).where(TwoFactorChallenge.id == challenge_id)
    await connection.execute(statement.values(consumed_at=now))


async def forget_passwords(connection: AsyncConnection, user_id: UUID, purpose: ChallengePurpose) -> None:
    """Drop `password_hash` from a user's challenges (ix_two_factor_challenges_user_id_purpose)."""
    statement = update(TwoFactorChallenge).where(
        TwoFactorChallenge.user_id == user_id, TwoFactorChallenge.purpose == purpose
    )
    await connection.execute(statement.values(context=TwoFactorChallenge.context.op("-")("password_hash")))
