"""Where a user is signed in, and signing out there."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.devices import actions as devices
from orion_auth.devices.actions import DeviceName
from orion_auth.identities import actions as identities
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import SESSIONS_ENDED
from orion_auth.sessions import actions
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import KnownSession
from orion_core.database import Database
from orion_core.errors import not_found
from orion_core.events.outbox import Outbox

REASON = "REVOKED"
"""Of a session that its owner ended from another one."""


@dataclass(frozen=True)
class Located:
    """A session and the device it is on, when that is known."""

    session: KnownSession
    device: DeviceName | None


async def live(database: Database, user_id: UUID, now: datetime, after: UUID | None, limit: int) -> list[Located]:
    """The live sessions of a user, the latest first, going on after the session `after`."""
    async with database.autocommit() as connection:
        return await _located(
            connection, user_id, await tokens.list_sessions(connection, user_id, now, after=after, limit=limit)
        )


async def one(database: Database, user_id: UUID, session_id: UUID, now: datetime) -> Located:
    """A live session of a user; 404 for one that is not his, or has ended."""
    async with database.autocommit() as connection:
        found = await tokens.find_session(connection, user_id, session_id, now)
        if found is None:
            raise not_found("session")
        [located] = await _located(connection, user_id, [found])
        return located


async def end_one(database: Database, outbox: Outbox, user_id: UUID, session_id: UUID, now: datetime) -> None:
    """End a session of a user; 404 for one that is not his, or has ended."""
    async with database.transaction() as transaction:
        ended = await actions.end(
            transaction, outbox, user_id, session_id, reason=REASON, revoked_by=str(user_id), now=now
        )
    if not ended:
        raise not_found("session")


async def end_others(
    database: Database, outbox: Outbox, user_id: UUID, keep: UUID | None, circumstances: Circumstances, now: datetime
) -> int:
    """End all sessions of a user but `keep`, say how many those were, and tell the owner if there were any."""
    async with database.transaction() as transaction:
        ended = await actions.end_all(
            transaction, outbox, user_id, reason=REASON, revoked_by=str(user_id), now=now, keep=keep
        )
        owner = await identities.find(transaction.connection, user_id, now) if ended else None
        if owner is not None:
            detailed = replace(circumstances, session_id=keep, details={"sessions_ended": ended})
            await security_events.note(transaction, outbox, SESSIONS_ENDED, owner, detailed, now)
        return ended


async def _located(connection: AsyncConnection, user_id: UUID, sessions: list[KnownSession]) -> list[Located]:
    ids = {session.device_id for session in sessions if session.device_id is not None}
    names = await devices.names(connection, user_id, ids)
    return [Located(session, names.get(session.device_id or "")) for session in sessions]
