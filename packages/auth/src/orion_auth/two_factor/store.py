"""The statements of second factors and challenges."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.tokens.actions import Bearer
from orion_auth.two_factor.tables import TwoFactorAuth, TwoFactorBackupCode, TwoFactorChallenge
from orion_auth.two_factor_methods import ChallengePurpose, TwoFactorMethod
from orion_core.statement import Statement

CLEARED: dict[TwoFactorMethod, dict[str, Any]] = {
    TwoFactorMethod.TOTP: {"totp_secret": None, "totp_verified_at": None, "totp_last_step": None},
    TwoFactorMethod.SMS: {"sms_phone": None, "sms_verified_at": None},
    TwoFactorMethod.EMAIL: {"email_verified_at": None},
}
"""The columns of a method, emptied. Hardware keys are kept elsewhere, and removed one by one."""


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
    """Close a challenge (primary key); a secret that was offered in it is not kept there."""
    context = TwoFactorChallenge.context.op("-")("totp")
    statement = update(TwoFactorChallenge).where(TwoFactorChallenge.id == challenge_id)
    await connection.execute(statement.values(consumed_at=now, context=context))


async def end_codes(connection: AsyncConnection, user_id: UUID) -> None:
    """Let no code be good that was sent to a user to come in, or to prove who he is
    (ix_two_factor_challenges_user_id_purpose).
    """
    statement = update(TwoFactorChallenge).where(
        TwoFactorChallenge.user_id == user_id,
        TwoFactorChallenge.purpose.in_([ChallengePurpose.SIGN_IN, ChallengePurpose.STEP_UP]),
        TwoFactorChallenge.consumed_at.is_(None),
        TwoFactorChallenge.code_hash.is_not(None),
    )
    await connection.execute(statement.values(code_hash=None))


async def forget_passwords(connection: AsyncConnection, user_id: UUID, purpose: ChallengePurpose) -> None:
    """Drop `password_hash` from a user's challenges (ix_two_factor_challenges_user_id_purpose)."""
    statement = update(TwoFactorChallenge).where(
        TwoFactorChallenge.user_id == user_id, TwoFactorChallenge.purpose == purpose
    )
    await connection.execute(statement.values(context=TwoFactorChallenge.context.op("-")("password_hash")))


def _open(challenge_id: UUID, purpose: ChallengePurpose, now: datetime) -> tuple[Any, ...]:
    """That a challenge waits for an answer, and has tries left (primary key)."""
    return (
        TwoFactorChallenge.id == challenge_id,
        TwoFactorChallenge.purpose == purpose,
        TwoFactorChallenge.consumed_at.is_(None),
        TwoFactorChallenge.expires_at > now,
        TwoFactorChallenge.attempts < TwoFactorChallenge.max_attempts,
    )


_CHALLENGE = (
    TwoFactorChallenge.id,
    TwoFactorChallenge.user_id,
    TwoFactorChallenge.methods,
    TwoFactorChallenge.code_hash,
    TwoFactorChallenge.context,
    TwoFactorChallenge.expires_at,
    TwoFactorChallenge.codes_sent,
    (TwoFactorChallenge.max_attempts - TwoFactorChallenge.attempts).label("tries_left"),
)


async def find_open(
    connection: AsyncConnection, challenge_id: UUID, purpose: ChallengePurpose, now: datetime
) -> AnyRow | None:
    """A challenge that waits for an answer (primary key)."""
    statement = select(*_CHALLENGE).where(*_open(challenge_id, purpose, now))
    return (await connection.execute(statement)).one_or_none()


async def drop_begun(connection: AsyncConnection, user_id: UUID, purpose: ChallengePurpose) -> None:
    """Forget the set-up that was begun before (ix_two_factor_challenges_user_id_purpose): the newest alone counts."""
    statement = delete(TwoFactorChallenge).where(
        TwoFactorChallenge.user_id == user_id,
        TwoFactorChallenge.purpose == purpose,
        TwoFactorChallenge.consumed_at.is_(None),
    )
    await connection.execute(statement)


async def count_try_of(
    connection: AsyncConnection, challenge_id: UUID, purpose: ChallengePurpose, now: datetime
) -> AnyRow | None:
    """Count a try against this challenge, which stays locked until the transaction ends (primary key)."""
    statement = update(TwoFactorChallenge).where(*_open(challenge_id, purpose, now))
    statement = statement.values(attempts=TwoFactorChallenge.attempts + 1).returning(*_CHALLENGE)
    return (await connection.execute(statement)).one_or_none()


async def count_code(
    connection: AsyncConnection,
    challenge_id: UUID,
    purpose: ChallengePurpose,
    code_hash: bytes,
    *,
    at_most: int,
    now: datetime,
) -> AnyRow | None:
    """Put a new code in place of the last one (primary key); None when enough were sent, or it is over."""
    statement = (
        update(TwoFactorChallenge)
        .where(*_open(challenge_id, purpose, now), TwoFactorChallenge.codes_sent < at_most)
        .values(code_hash=code_hash, codes_sent=TwoFactorChallenge.codes_sent + 1)
        .returning(*_CHALLENGE)
    )
    return (await connection.execute(statement)).one_or_none()


_UNUSED = (
    select(func.count())
    .select_from(TwoFactorBackupCode)
    .where(TwoFactorBackupCode.user_id == TwoFactorAuth.user_id, TwoFactorBackupCode.used_at.is_(None))
    .scalar_subquery()
)
FIND_FACTORS = Statement(
    select(TwoFactorAuth.__table__, _UNUSED.label("backup_codes")).where(TwoFactorAuth.user_id == bindparam("user_id"))
)
"""The second factors of a user (uq_two_factor_auth_user_id), and how many backup codes he has left
(ix_two_factor_backup_codes_unused).
"""


async def find_factors(connection: AsyncConnection, user_id: UUID) -> AnyRow | None:
    """The same, when nothing else is looked for."""
    return await FIND_FACTORS.one_or_none(connection, {"user_id": user_id})


async def accept_step(connection: AsyncConnection, user_id: UUID, step: int) -> bool:
    """Accept a time step of a user's TOTP (uq_two_factor_auth_user_id), which decides: it and all before it are over.

    Of several that show the same code at once, one is told True.
    """
    statement = (
        update(TwoFactorAuth)
        .where(
            TwoFactorAuth.user_id == user_id,
            or_(TwoFactorAuth.totp_last_step.is_(None), TwoFactorAuth.totp_last_step < step),
        )
        .values(totp_last_step=step)
        .returning(TwoFactorAuth.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def note_used(connection: AsyncConnection, user_id: UUID, method: TwoFactorMethod, now: datetime) -> None:
    """Note which second factor was shown last (uq_two_factor_auth_user_id)."""
    statement = update(TwoFactorAuth).where(TwoFactorAuth.user_id == user_id)
    await connection.execute(statement.values(last_used_at=now, last_used_method=method))


async def ensure_row(connection: AsyncConnection, user_id: UUID) -> UUID:
    """The id of the row of a user's second factors, kept from changing until the transaction ends; made when it is
    missing (uq_two_factor_auth_user_id).
    """
    statement = upsert(TwoFactorAuth).values(user_id=user_id)
    statement = statement.on_conflict_do_update(index_elements=[TwoFactorAuth.user_id], set_={"user_id": user_id})
    return (await connection.execute(statement.returning(TwoFactorAuth.id))).scalar_one()


async def change(connection: AsyncConnection, user_id: UUID, values: dict[str, Any]) -> None:
    """Change the second factors of a user (uq_two_factor_auth_user_id)."""
    await connection.execute(update(TwoFactorAuth).where(TwoFactorAuth.user_id == user_id).values(values))


async def forget_factors(connection: AsyncConnection, user_id: UUID) -> None:
    """Leave a user no second factor (uq_two_factor_auth_user_id); whether he must have one, and how he recovers, stays.

    Hardware keys are kept elsewhere.
    """
    values: dict[str, Any] = {"is_enabled": False, "primary_method": None, "hardware_key_verified_at": None}
    for columns in CLEARED.values():
        values |= columns
    await change(connection, user_id, values)


async def replace_backup_codes(
    connection: AsyncConnection, user_id: UUID, hashes: Sequence[bytes], now: datetime
) -> None:
    """Put new backup codes in place of those that are left (ix_two_factor_backup_codes_unused)."""
    unused = (TwoFactorBackupCode.user_id == user_id, TwoFactorBackupCode.used_at.is_(None))
    await connection.execute(delete(TwoFactorBackupCode).where(*unused))
    if hashes:
        rows = [{"user_id": user_id, "code_hash": code_hash} for code_hash in hashes]
        await connection.execute(insert(TwoFactorBackupCode), rows)
    await change(connection, user_id, {"backup_codes_generated_at": now if hashes else None})


async def use_backup_code(
    connection: AsyncConnection, user_id: UUID, hashes: Sequence[bytes], now: datetime, bearer: Bearer
) -> bool:
    """Use up a backup code (uq_two_factor_backup_codes_user_id_code_hash), once however many show it at once."""
    statement = (
        update(TwoFactorBackupCode)
        .where(
            TwoFactorBackupCode.user_id == user_id,
            TwoFactorBackupCode.code_hash.in_(hashes),
            TwoFactorBackupCode.used_at.is_(None),
        )
        .values(used_at=now, ip_address=bearer.ip_address, user_agent=bearer.user_agent)
        .returning(TwoFactorBackupCode.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


# Whoever comes second waits for the first, and so sees whom that one has told.
_TAKE_UNANSWERED = text("""
    WITH lapsed AS (
      SELECT id
      FROM two_factor_challenges                                -- ix_two_factor_challenges_expires_at
      WHERE expires_at > :since AND expires_at <= :before
        AND purpose = 'SIGN_IN' AND consumed_at IS NULL AND attempts < max_attempts
      ORDER BY expires_at
      LIMIT :most
      FOR UPDATE
    )
    UPDATE two_factor_challenges AS challenge
    SET consumed_at = :before, context = context - 'totp'
    FROM lapsed
    WHERE challenge.id = lapsed.id                              -- pk_two_factor_challenges
    RETURNING challenge.user_id, challenge.context, challenge.attempts, challenge.expires_at
""")


async def take_unanswered(
    connection: AsyncConnection, since: datetime, before: datetime, most: int
) -> Sequence[AnyRow]:
    """Close half-finished sign-ins that lapsed between two times before all tries were used; each falls to one."""
    return (await connection.execute(_TAKE_UNANSWERED, {"since": since, "before": before, "most": most})).all()


async def set_context(connection: AsyncConnection, challenge_id: UUID, context: dict[str, Any]) -> None:
    """Change what a challenge leads to (primary key)."""
    statement = update(TwoFactorChallenge).where(TwoFactorChallenge.id == challenge_id)
    await connection.execute(statement.values(context=context))
