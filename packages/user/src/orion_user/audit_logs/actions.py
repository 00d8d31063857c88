"""What auditors can do. Who reads the trail stands in it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from orion_contracts.claims import AccessClaims
from orion_core.database import Database
from orion_core.errors import not_found
from orion_user.access import guard
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor, Change
from orion_user.audit.rules import Wanted

PERMISSION = "system:audit"


async def require(database: Database, claims: AccessClaims, now: datetime) -> None:
    """403 for who may not."""
    async with database.autocommit() as connection:
        await guard.require(connection, claims, PERMISSION, now)


async def search(
    database: Database, claims: AccessClaims, wanted: Wanted, before: UUID | None, limit: int, now: datetime
) -> Sequence[RowMapping]:
    """Entries that are wanted, the latest first, going on before an id."""
    await require(database, claims, now)
    return await audit.search(database, wanted, before, limit)


async def note(database: Database, actor: Actor, action: str, given: Mapping[str, Any], now: datetime) -> None:
    """Write down that somebody has read, and what he asked for."""
    async with database.transaction() as transaction:
        await audit.record(transaction, actor, Change(action, "audit_log", None, new={"filters": dict(given)}), now)


async def one(database: Database, claims: AccessClaims, entry_id: UUID, now: datetime) -> RowMapping:
    """One entry; a 404 Problem when there is none of that id."""
    await require(database, claims, now)
    row = await audit.one(database, entry_id)
    if row is None:
        raise not_found("entry")
    return row


async def latest_checkpoint(database: Database, claims: AccessClaims, now: datetime) -> RowMapping:
    """The end of the chain; a 404 Problem while there is no checkpoint."""
    await require(database, claims, now)
    row = await audit.latest_checkpoint(database)
    if row is None:
        raise not_found("checkpoint")
    return row
