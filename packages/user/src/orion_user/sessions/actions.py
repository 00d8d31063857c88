"""What can be done with the users' view of their sessions."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping

from orion_contracts.events import SessionEnded, SessionStarted
from orion_core.database import Database, Transaction
from orion_user.sessions import rules, store
from orion_user.users import actions as users


async def start(transaction: Transaction, event: SessionStarted) -> None:
    """Show a sign-in and count it. Does nothing for a user who is gone."""
    if not await users.count_login(transaction.connection, event.user_id, event.started_at):
        return
    await store.start(
        transaction.connection,
        event.session_id,
        user_id=event.user_id,
        device_name=event.device_name,
        device_type=event.device_type,
        ip_address=event.ip_address,
        user_agent=event.user_agent,
        country=event.country,
        city=event.city,
        started_at=event.started_at,
        last_activity_at=event.started_at,
        expires_at=event.expires_at,
    )


async def end(transaction: Transaction, event: SessionEnded) -> None:
    """Note the end of a session; of one that is not known yet too, so that its start cannot make it live again."""
    connection = transaction.connection
    if await store.end(connection, event.session_id, event.ended_at, event.reason):
        return
    if not await users.exists(connection, event.user_id):
        return
    await store.start(
        connection,
        event.session_id,
        user_id=event.user_id,
        started_at=event.ended_at,
        last_activity_at=event.ended_at,
        expires_at=rules.placeholder_expiry(event.ended_at, event.tokens_expire_at),
        ended_at=event.ended_at,
        end_reason=event.reason,
    )


async def live_sessions(
    database: Database, user_id: UUID, now: datetime, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[RowMapping]:
    """Where a user is signed in, the latest sign-in first, going on after a (started_at, id)."""
    async with database.autocommit() as connection:
        return await store.live(connection, user_id, now, after, limit)
