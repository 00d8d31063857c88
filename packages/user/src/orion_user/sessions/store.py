"""Every statement on `sessions`."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, func, select, tuple_, update
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


async def live(
    connection: AsyncConnection, user_id: UUID, now: datetime, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[RowMapping]:
    """Sessions of a user that have neither ended nor expired, the latest first, going on after a (started_at, id).

    Backwards along ix_sessions_user_id_started_at_id.
    """
    statement = select(SESSIONS).where(Session.user_id == user_id, Session.ended_at.is_(None), Session.expires_at > now)
    if after is not None:
        statement = statement.where(tuple_(Session.started_at, Session.id) < after)
    ordered = statement.order_by(Session.started_at.desc(), Session.id.desc()).limit(limit)
    return (await connection.execute(ordered)).mappings().all()
