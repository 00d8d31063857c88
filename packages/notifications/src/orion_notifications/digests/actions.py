"""What can be done with digests."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Database, Transaction
from orion_notifications.digests import store

GOES_ALONE_AFTER = timedelta(hours=1)
"""A message that no digest has taken by then goes out by itself: better once more than not at all."""
PUT_OFF = timedelta(minutes=5)


class PutOffError(Exception):
    """A digest could not be closed; it is tried again later."""


async def put_into_digest(connection: AsyncConnection, user_id: UUID, until: datetime, notification_id: UUID) -> bool:
    """Have a message told of when the window is over; False when the digest of that window was made already."""
    digest_id = await store.open_digest(connection, user_id, until)
    if digest_id is None:
        return False
    await store.add(connection, digest_id, notification_id)
    return True


@asynccontextmanager
async def due_digest(database: Database, now: datetime) -> AsyncGenerator[tuple[Transaction, RowMapping | None]]:
    """One whose window is over; nobody else gets it until the end of the block.

    If that fails the digest is put off, and PutOffError raised: it comes first, and would stop all others.
    """
    digest: RowMapping | None = None
    try:
        async with database.transaction() as transaction:
            digest = await store.due(transaction.connection, now)
            yield transaction, digest
    except Exception as error:
        if digest is None:
            raise
        async with database.autocommit() as connection:
            await store.put_off(connection, digest["id"], now + PUT_OFF)
        raise PutOffError(f"digest {digest['id']}") from error


async def items_of(connection: AsyncConnection, digest_id: UUID, now: datetime) -> Sequence[RowMapping]:
    """The messages that are to be told of."""
    return await store.items(connection, digest_id, now)


async def words_of(connection: AsyncConnection, ids: Sequence[UUID]) -> Sequence[RowMapping]:
    """What these messages say, or are rendered from."""
    return await store.words(connection, ids)


async def close(connection: AsyncConnection, digest_id: UUID, now: datetime) -> None:
    """Say that its mail was ordered."""
    await store.close(connection, digest_id, now)
