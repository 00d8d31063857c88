"""Every statement on `sessions`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.ids import uuid7
from orion_core.statement import Statement
from orion_core.tables import table_of
from orion_user.sessions.tables import Session

SESSIONS = table_of(Session)


@cache
def _start(*columns: str) -> Statement:
    statement = insert(SESSIONS)
    known = {name: statement.excluded[name] for name in columns if name != "last_activity_at"}
    later = func.greatest(Session.last_activity_at, statement.excluded.last_activity_at)
    put = statement.on_conflict_do_update(index_elements=[Session.token], set_={**known, "last_activity_at": later})
    return Statement(put, ["id", "token", *columns])


async def start(connection: AsyncConnection, token: UUID, **values: Any) -> None:
    """Add a session, or complete one of which only the end is known. By uq_sessions_token."""
    await _start(*values).execute(connection, {"id": uuid7(), "token": token, **values})


async def end(connection: AsyncConnection, token: UUID, ended_at: datetime, reason: str) -> bool:
    """Note the end of a session, the first that is told; False when there is no such session. By uq_sessions_token."""
    first = {
        "ended_at": func.coalesce(Session.ended_at, ended_at),
        "end_reason": func.coalesce(Session.end_reason, reason),
    }
    statement = update(SESSIONS).where(Session.token == token).values(first).returning(Session.id)
    return (await connection.execute(statement)).one_or_none() is not None


async def of_user(
    connection: AsyncConnection,
    user_id: UUID,
    now: datetime,
    after: tuple[datetime, UUID] | None,
    limit: int,
    *,
    with_ended: bool,
) -> Sequence[RowMapping]:
    """Sessions of a user, the latest first, going on after a (started_at, id); those that are over only if asked.

    Backwards along ix_sessions_user_id_started_at_id.
    """
    statement = select(SESSIONS).where(Session.user_id == user_id)
    if not with_ended:
        statement = statement.where(Session.ended_at.is_(None), Session.expires_at > now)
    if after is not None:
        statement = statement.where(tuple_(Session.started_at, Session.id) < after)
    ordered = statement.order_by(Session.started_at.desc(), Session.id.desc()).limit(limit)
    return (await connection.execute(ordered)).mappings().all()


async def is_live(connection: AsyncConnection, user_id: UUID, token: UUID, now: datetime) -> bool:
    """Whether a user has that session, and it is neither ended nor expired. By uq_sessions_token."""
    statement = select(Session.id).where(
        Session.token == token, Session.user_id == user_id, Session.ended_at.is_(None), Session.expires_at > now
    )
    return (await connection.execute(statement)).one_or_none() is not None


NOTE_ACTIVITY = text("""
    WITH seen (token, at) AS (
      SELECT * FROM unnest(CAST(:tokens AS uuid[]), CAST(:times AS timestamptz[]))
    ), active AS (
      UPDATE sessions
      SET last_activity_at = greatest(sessions.last_activity_at, seen.at)
      FROM seen
      WHERE sessions.token = seen.token AND sessions.ended_at IS NULL         -- uq_sessions_token
      RETURNING sessions.user_id, seen.at
    )
    UPDATE users
    SET last_active_at = greatest(users.last_active_at, latest.at)
    FROM (SELECT user_id, max(at) AS at FROM active GROUP BY user_id) AS latest
    WHERE users.id = latest.user_id                                           -- pk_users
""")


async def note_activity(connection: AsyncConnection, seen: Mapping[UUID, datetime]) -> None:
    """Note when sessions, and their users with them, were last seen."""
    tokens = sorted(seen)
    await connection.execute(NOTE_ACTIVITY, {"tokens": tokens, "times": [seen[token] for token in tokens]})
