"""What can be done with the users' view of their sessions."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.events import SessionEnded, SessionStarted
from orion_contracts.user_events import SessionEndRequested
from orion_core.database import Database, Transaction
from orion_core.errors import not_found
from orion_core.events.outbox import Outbox
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor, Change
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


async def sessions_of(
    connection: AsyncConnection,
    user_id: UUID,
    now: datetime,
    after: tuple[datetime, UUID] | None,
    limit: int,
    *,
    with_ended: bool = False,
) -> Sequence[RowMapping]:
    """Where a user is signed in, the latest sign-in first, going on after a (started_at, id)."""
    return await store.of_user(connection, user_id, now, after, limit, with_ended=with_ended)


async def ask_to_end(
    database: Database,
    outbox: Outbox,
    user_id: UUID,
    session_id: UUID | None,
    *,
    by: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Have auth end a session, or all of a user's; 404 when he has no such session, or no longer.

    auth ends it as soon as it hears of it, and tells everybody; until then it is shown as live.
    """
    async with database.transaction() as transaction:
        if session_id is None:
            if not await users.exists(transaction.connection, user_id):
                raise not_found("user")
        elif not await store.is_live(transaction.connection, user_id, session_id, now):
            raise not_found("session")
        told = "session.end" if session_id is not None else "session.end_all"
        resource = str(session_id) if session_id is not None else None
        await audit.record(transaction, actor, Change(told, "session", resource, user_id=user_id), now)
        event = SessionEndRequested(user_id=user_id, session_id=session_id, by=by, requested_at=now)
        await outbox.record(transaction, event, now)
