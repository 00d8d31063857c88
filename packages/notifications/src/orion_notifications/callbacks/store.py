"""Statements on call-backs that count once."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_notifications.callbacks.tables import CallbackReceipt

RECEIPTS = table_of(CallbackReceipt)


async def is_noted(connection: AsyncConnection, signed_hash: bytes) -> bool:
    """Whether it was taken down before (pk_callback_receipts)."""
    statement = select(RECEIPTS.c.signed_hash).where(RECEIPTS.c.signed_hash == signed_hash)
    return (await connection.execute(statement)).scalar_one_or_none() is not None


async def note(connection: AsyncConnection, signed_hash: bytes, good_until: datetime) -> None:
    """Write down that it was taken down."""
    values = {"signed_hash": signed_hash, "good_until": good_until}
    await connection.execute(insert(RECEIPTS).values(values).on_conflict_do_nothing())
