"""The statements of recoveries."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.recoveries.rules import MOST_CODES, MOST_TRIES
from orion_auth.recoveries.tables import AccountRecovery
from orion_core.tables import table_of

_RECOVERIES = table_of(AccountRecovery)
_OPEN = (AccountRecovery.completed_at.is_(None), AccountRecovery.cancelled_at.is_(None))


async def insert_recovery(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Insert a recovery."""
    await connection.execute(insert(AccountRecovery).values(values))


async def find_open(connection: AsyncConnection, user_id: UUID, now: datetime) -> AnyRow | None:
    """The recovery of a user that is neither ended nor lapsed (uq_account_recoveries_open)."""
    statement = select(_RECOVERIES).where(AccountRecovery.user_id == user_id, *_OPEN, AccountRecovery.expires_at > now)
    return (await connection.execute(statement)).one_or_none()


async def find(connection: AsyncConnection, selector: str) -> AnyRow | None:
    """The recovery that a link is of, ended or not (uq_account_recoveries_selector)."""
    statement = select(_RECOVERIES).where(AccountRecovery.selector == selector)
    return (await connection.execute(statement)).one_or_none()


async def cancel_open(connection: AsyncConnection, user_id: UUID, now: datetime) -> AnyRow | None:
    """End the open recovery of a user, which may have lapsed (uq_account_recoveries_open); the UPDATE decides."""
    statement = update(AccountRecovery).where(AccountRecovery.user_id == user_id, *_OPEN).values(cancelled_at=now)
    return (await connection.execute(statement.returning(AccountRecovery.id, AccountRecovery.expires_at))).one_or_none()


async def keep_code(connection: AsyncConnection, recovery_id: UUID, code_hash: bytes, expires_at: datetime) -> bool:
    """Put a new code in the place of the last one (primary key); False when enough were sent, or it is over."""
    statement = (
        update(AccountRecovery)
        .where(AccountRecovery.id == recovery_id, *_OPEN, AccountRecovery.codes_sent < MOST_CODES)
        .values(code_hash=code_hash, code_expires_at=expires_at, codes_sent=AccountRecovery.codes_sent + 1, tries=0)
        .returning(AccountRecovery.id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def count_try(connection: AsyncConnection, user_id: UUID, now: datetime) -> AnyRow | None:
    """Count a try at the code of the open recovery, which stays locked then (uq_account_recoveries_open).

    None when there is none that is ready, or no code that is good, or no try left.
    """
    statement = (
        update(AccountRecovery)
        .where(
            AccountRecovery.user_id == user_id,
            *_OPEN,
            AccountRecovery.ready_at <= now,
            AccountRecovery.expires_at > now,
            AccountRecovery.code_expires_at > now,
            AccountRecovery.tries < MOST_TRIES,
        )
        .values(tries=AccountRecovery.tries + 1)
        .returning(AccountRecovery.id, AccountRecovery.code_hash, AccountRecovery.tries)
    )
    return (await connection.execute(statement)).one_or_none()


async def complete(connection: AsyncConnection, recovery_id: UUID, now: datetime) -> bool:
    """End a recovery as it was meant to (primary key); False when it has ended otherwise. The UPDATE decides."""
    statement = update(AccountRecovery).where(
        AccountRecovery.id == recovery_id, *_OPEN, AccountRecovery.ready_at <= now, AccountRecovery.expires_at > now
    )
    values: dict[str, Any] = {"completed_at": now, "code_hash": None, "code_expires_at": None}
    return (await connection.execute(statement.values(values).returning(AccountRecovery.id))).one_or_none() is not None
