"""The statements of what is refused before its time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.sessions.tables import SessionBlacklist, SessionProof
from orion_core.statement import Statement


async def refuse_session(connection: AsyncConnection, values: dict[str, Any]) -> bool:
    """Refuse a session from now on (uq_session_blacklist_session_id); False when it is refused already."""
    statement = insert(SessionBlacklist).values(values).on_conflict_do_nothing().returning(SessionBlacklist.id)
    return (await connection.execute(statement)).one_or_none() is not None


async def refuse_sessions(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> Sequence[UUID]:
    """Refuse several sessions (uq_session_blacklist_session_id); names those that were not refused already."""
    statement = insert(SessionBlacklist).values(rows).on_conflict_do_nothing().returning(SessionBlacklist.session_id)
    return [session_id for session_id in (await connection.execute(statement)).scalars() if session_id is not None]


async def refuse_epoch(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Refuse a user's tokens of an epoch and of those before it."""
    await connection.execute(insert(SessionBlacklist).values(values))


async def refuse_before_proof(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Refuse what a session was before a proof (uq_session_proofs_session_id); a later proof refuses more."""
    statement = insert(SessionProof).values(values)
    later = {column: statement.excluded[column] for column in ("proved_at", "expires_at")}
    is_later = SessionProof.proved_at < statement.excluded.proved_at
    await connection.execute(
        statement.on_conflict_do_update(index_elements=[SessionProof.session_id], set_=later, where=is_later)
    )


async def list_proofs(connection: AsyncConnection, now: datetime) -> Sequence[AnyRow]:
    """All sessions that refuse what they were before a proof (ix_session_proofs_expires_at)."""
    columns = SessionProof.session_id, SessionProof.proved_at, SessionProof.expires_at
    return (await connection.execute(select(*columns).where(SessionProof.expires_at > now))).all()


_REFUSAL = Statement(
    text("""
    SELECT EXISTS (
      SELECT FROM session_blacklist
      WHERE (session_id = :session_id OR user_id = :user_id AND user_epoch >= :epoch) AND expires_at > :now
    ) AS has_ended, EXISTS (
      SELECT FROM session_proofs
      WHERE session_id = :session_id AND proved_at > to_timestamp(:auth_time) AND expires_at > :now
    ) AS is_superseded
""")
)


async def find_refusal(
    connection: AsyncConnection,
    user_id: UUID | None,
    session_id: UUID,
    epoch: int,
    auth_time: int | None,
    now: datetime,
) -> AnyRow:
    """Whether a session or its epoch has ended, and whether a later proof in it took the place of what was before.

    By uq_session_blacklist_session_id, ix_session_blacklist_user_id and uq_session_proofs_session_id.
    """
    values = {"user_id": user_id, "session_id": session_id, "epoch": epoch, "auth_time": auth_time or 0, "now": now}
    return await _REFUSAL.one(connection, values)


async def list_refused_epochs(connection: AsyncConnection, now: datetime) -> Sequence[AnyRow]:
    """All epochs refused at `now` (ix_session_blacklist_expires_at)."""
    statement = select(SessionBlacklist.user_id, SessionBlacklist.user_epoch, SessionBlacklist.expires_at).where(
        SessionBlacklist.expires_at > now, SessionBlacklist.user_epoch.is_not(None)
    )
    return (await connection.execute(statement)).all()


async def list_refused_sessions(connection: AsyncConnection, now: datetime) -> Sequence[AnyRow]:
    """All sessions refused at `now` (ix_session_blacklist_expires_at)."""
    statement = select(SessionBlacklist.session_id, SessionBlacklist.expires_at).where(
        SessionBlacklist.expires_at > now, SessionBlacklist.session_id.is_not(None)
    )
    return (await connection.execute(statement)).all()
