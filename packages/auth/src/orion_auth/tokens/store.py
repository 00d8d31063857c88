"""The statements of tokens. Each finds its row by the unique selector, so it touches one row at most, unless said."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, insert, not_, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.tokens.rules import MOST_CODE_TRIES, TokenStatus
from orion_auth.tokens.tables import AuthToken, TokenType
from orion_core.statement import Statement

INSERT_TOKEN = insert(AuthToken)
INSERT_REFRESH = Statement(
    insert(AuthToken),
    [
        "id",
        "token",
        "token_hash",
        "type",
        "user_id",
        "session_id",
        "family_id",
        "client_id",
        "device_id",
        "location",
        "ip_address",
        "user_agent",
        "issued_at",
        "expires_at",
        "session_started_at",
        "auth_time",
        "amr",
        "idle_seconds",
        "idle_until",
        "security_epoch",
        "jkt",
    ],
)
"""The first refresh token of a session."""


async def insert_token(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Insert a token."""
    await connection.execute(INSERT_TOKEN, values)


async def find(connection: AsyncConnection, selector: str) -> AnyRow | None:
    """A token by its selector (uq_auth_tokens_token)."""
    columns = (AuthToken.token_hash, AuthToken.type, AuthToken.status, AuthToken.expires_at, AuthToken.family_id)
    statement = select(*columns, AuthToken.user_id, AuthToken.session_id).where(AuthToken.token == selector)
    return (await connection.execute(statement)).one_or_none()


async def list_bearers(connection: AsyncConnection, user_id: UUID, token_type: TokenType) -> Sequence[AnyRow]:
    """To whom tokens of a user were given, be they good or not (ix_auth_tokens_user_id_type_status)."""
    statement = select(AuthToken.ip_address, AuthToken.user_agent).where(
        AuthToken.user_id == user_id, AuthToken.type == token_type
    )
    return (await connection.execute(statement)).all()


async def use(
    connection: AsyncConnection, token_type: TokenType, selector: str, token_hash: bytes, now: datetime
) -> AnyRow | None:
    """Use up an active token (uq_auth_tokens_token). Of several that try at once, one gets the row."""
    statement = (
        update(AuthToken)
        .where(
            AuthToken.token == selector,
            AuthToken.token_hash == token_hash,
            AuthToken.type == token_type,
            AuthToken.status == TokenStatus.ACTIVE,
            AuthToken.expires_at > now,
        )
        .values(status=TokenStatus.USED, last_used_at=now, usage_count=AuthToken.usage_count + 1)
        .returning(AuthToken.user_id, AuthToken.metadata_)
    )
    return (await connection.execute(statement)).one_or_none()


async def count_code_try(connection: AsyncConnection, selector: str, now: datetime) -> AnyRow | None:
    """Count a try at the code of a mail (uq_auth_tokens_token); None when it is no longer open, or has no tries left.

    The row stays locked until the transaction ends, so tries at the same moment take turns.
    """
    statement = (
        update(AuthToken)
        .where(
            AuthToken.token == selector,
            AuthToken.type == TokenType.MAGIC_LINK,
            AuthToken.status == TokenStatus.ACTIVE,
            AuthToken.expires_at > now,
            AuthToken.usage_count < MOST_CODE_TRIES,
        )
        .values(usage_count=AuthToken.usage_count + 1)
        .returning(AuthToken.user_id, AuthToken.metadata_)
    )
    return (await connection.execute(statement)).one_or_none()


async def use_up(connection: AsyncConnection, selector: str, now: datetime) -> None:
    """Mark a token as used (uq_auth_tokens_token)."""
    statement = update(AuthToken).where(AuthToken.token == selector)
    await connection.execute(statement.values(status=TokenStatus.USED, last_used_at=now))


async def revoke_mailed_keys(
    connection: AsyncConnection, user_id: UUID, now: datetime, *, asked_for: str | None = None
) -> None:
    """Take back the earlier mails to sign in with (ix_auth_tokens_user_id_type_status): all, or those of one place.

    Whoever asks in another place takes nothing from the owner, who is about to type his code.
    """
    statement = _revocation("SUPERSEDED", now)
    statement = statement.where(AuthToken.user_id == user_id, AuthToken.type == TokenType.MAGIC_LINK)
    if asked_for is not None:
        statement = statement.where(AuthToken.metadata_["asked_for"].astext == asked_for)
    await connection.execute(statement)


async def forget_passwords(connection: AsyncConnection, user_id: UUID) -> None:
    """Drop `password_hash` from a user's verification tokens (ix_auth_tokens_user_id_type_status)."""
    statement = update(AuthToken).where(AuthToken.user_id == user_id, AuthToken.type == TokenType.EMAIL_VERIFICATION)
    await connection.execute(statement.values(metadata_=AuthToken.metadata_.op("-")("password_hash")))


async def hold_session(connection: AsyncConnection, user_id: UUID, session_id: UUID) -> None:
    """Keep others from carrying on or ending a session until the transaction ends (ix_auth_tokens_user_id_type_status).

    It is the lock on the line's first token that a rotation takes too.
    """
    statement = select(AuthToken.id).where(
        AuthToken.user_id == user_id,
        AuthToken.type == TokenType.REFRESH,
        AuthToken.session_id == session_id,
        AuthToken.id == AuthToken.family_id,
    )
    await connection.execute(statement.with_for_update(key_share=True))


async def hold_sessions(connection: AsyncConnection, user_id: UUID) -> None:
    """The same lock on all lines of a user, always in the same order (ix_auth_tokens_user_id_type_status)."""
    statement = select(AuthToken.id).where(
        AuthToken.user_id == user_id, AuthToken.type == TokenType.REFRESH, AuthToken.id == AuthToken.family_id
    )
    await connection.execute(statement.order_by(AuthToken.id).with_for_update(key_share=True))


_LIVE_SESSIONS = Statement(
    text("""
    SELECT
      session_id, device_id, ip_address, user_agent, location, issued_at, expires_at, idle_until, session_started_at,
      auth_time, amr
    FROM auth_tokens                                            -- ix_auth_tokens_user_id_type_status
    WHERE user_id = :user_id AND type = 'REFRESH' AND status = 'ACTIVE'
      AND expires_at > :now AND (idle_until IS NULL OR idle_until > :now)
      AND (CAST(:after AS uuid) IS NULL OR session_id < :after)
      AND (CAST(:session_id AS uuid) IS NULL OR session_id = :session_id)
    ORDER BY session_id DESC
    LIMIT :limit
""").columns(
        AuthToken.session_id,
        AuthToken.device_id,
        AuthToken.ip_address,
        AuthToken.user_agent,
        AuthToken.location,
        AuthToken.issued_at,
        AuthToken.expires_at,
        AuthToken.idle_until,
        AuthToken.session_started_at,
        AuthToken.auth_time,
        AuthToken.amr,
    )
)


async def list_sessions(
    connection: AsyncConnection,
    user_id: UUID,
    now: datetime,
    *,
    after: UUID | None = None,
    limit: int | None = None,
    session_id: UUID | None = None,
) -> Sequence[AnyRow]:
    """The present refresh tokens of a user's live sessions, or of one of them, the session that began last first.

    By ix_auth_tokens_user_id_type_status, which leaves as many as a user may have sessions.
    """
    values = {"user_id": user_id, "now": now, "after": after, "session_id": session_id, "limit": limit}
    return await _LIVE_SESSIONS.all(connection, values)


LIVE_BY_LAST_USE = Statement(
    text("""
    SELECT ARRAY(
      SELECT session_id
      FROM auth_tokens                                          -- ix_auth_tokens_user_id_type_status
      WHERE user_id = :user_id AND type = 'REFRESH' AND status = 'ACTIVE'
        AND expires_at > :now AND (idle_until IS NULL OR idle_until > :now)
      ORDER BY issued_at, session_id
    ) AS session_ids
""")
)
"""The live sessions of a user, the one not used for longest first."""


async def note_proof(
    connection: AsyncConnection,
    user_id: UUID,
    session_id: UUID,
    amr: Sequence[str],
    auth_time: datetime,
    now: datetime,
) -> bool:
    """Note a proof on the present refresh token of a live session (ix_auth_tokens_user_id_type_status)."""
    statement = update(AuthToken).where(*_live(user_id, now), AuthToken.session_id == session_id)
    statement = statement.values(auth_time=auth_time, amr=list(amr)).returning(AuthToken.id)
    return (await connection.execute(statement)).first() is not None


async def revoke_session(
    connection: AsyncConnection, user_id: UUID, session_id: UUID, reason: str, now: datetime
) -> bool:
    """Revoke the active refresh token of a session; False without one (ix_auth_tokens_user_id_type_status)."""
    statement = _revocation(reason, now).where(
        AuthToken.user_id == user_id, AuthToken.type == TokenType.REFRESH, AuthToken.session_id == session_id
    )
    return (await connection.execute(statement.returning(AuthToken.id))).first() is not None


async def revoke_sessions(
    connection: AsyncConnection, user_id: UUID, reason: str, now: datetime, keep: UUID | None, spare: str | None
) -> Sequence[UUID]:
    """Revoke the active refresh tokens of sessions but `keep` and those whose `amr` has `spare`; names the sessions.

    By ix_auth_tokens_user_id_type_status.
    """
    statement = _revocation(reason, now).where(AuthToken.user_id == user_id, AuthToken.type == TokenType.REFRESH)
    if keep is not None:
        statement = statement.where(AuthToken.session_id != keep)
    if spare is not None:
        statement = statement.where(not_(AuthToken.amr.contains([spare])))
    return (await connection.execute(statement.returning(AuthToken.session_id))).scalars().all()


_EXPIRE_IDLE = text("""
    WITH idle AS (
      SELECT id, family_id
      FROM auth_tokens                                          -- ix_auth_tokens_idle
      WHERE status = 'ACTIVE' AND idle_until <= :before
      ORDER BY idle_until
      LIMIT :most
    ), line AS (
      SELECT first.id
      FROM idle JOIN auth_tokens AS first ON first.id = idle.family_id       -- pk_auth_tokens
      FOR NO KEY UPDATE OF first SKIP LOCKED
    )
    UPDATE auth_tokens AS token SET status = 'EXPIRED'
    FROM idle JOIN line ON line.id = idle.family_id
    WHERE token.id = idle.id AND token.status = 'ACTIVE'                     -- pk_auth_tokens
    RETURNING token.user_id, token.session_id
""")


async def expire_idle(connection: AsyncConnection, before: datetime, most: int) -> Sequence[AnyRow]:
    """Expire some refresh tokens that nobody has used in time, and name their sessions (ix_auth_tokens_idle).

    A line that somebody holds, to end the session or to expire it as well, is left to him, so nobody waits.
    """
    return (await connection.execute(_EXPIRE_IDLE, {"before": before, "most": most})).all()


def _live(user_id: UUID, now: datetime) -> tuple[ColumnElement[bool], ...]:
    is_refresh = AuthToken.user_id == user_id, AuthToken.type == TokenType.REFRESH
    is_in_use = or_(AuthToken.idle_until.is_(None), AuthToken.idle_until > now)
    return *is_refresh, AuthToken.status == TokenStatus.ACTIVE, AuthToken.expires_at > now, is_in_use


async def sessions_on_device(
    connection: AsyncConnection, user_id: UUID, device_id: str, now: datetime
) -> Sequence[UUID]:
    """Sessions with an active refresh token that was given to a device (ix_auth_tokens_user_id_type_status)."""
    statement = select(AuthToken.session_id).where(*_live(user_id, now), AuthToken.device_id == device_id)
    return [found for found in (await connection.execute(statement)).scalars() if found is not None]


def _revocation(reason: str, now: datetime) -> Any:
    return (
        update(AuthToken)
        .where(AuthToken.status == TokenStatus.ACTIVE)
        .values(status=TokenStatus.REVOKED, revoked_at=now, revoked_reason=reason)
    )
