"""Forgetting a person (GDPR Art. 17), and telling the person what is known (Art. 15)."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from uuid import UUID

from orion_contracts.erasures import IdentityErased, MessagesErased
from orion_core import personal_data
from orion_core.database import Database, Transaction
from orion_core.events.outbox import Outbox
from orion_notifications.base import Table
from orion_notifications.erasures import store


async def erase(transaction: Transaction, outbox: Outbox, event: IdentityErased, now: datetime) -> None:
    """Forget the person: what waits is not sent, and of what was sent only the fact stays, without a word or address.

    It comes in auth's feed behind all that auth has told of the person. What user has told before may be heard later:
    that goes by `erase_late`.
    """
    counts = await store.erase(transaction.connection, event.user_id, now)
    told = MessagesErased(user_id=event.user_id, erasure_id=event.erasure_id, counts=counts, erased_at=now)
    await outbox.record(transaction, told, now)


async def erase_late(transaction: Transaction, user_id: UUID, now: datetime) -> None:
    """Forget what was heard of a person in user's feed after auth's had said that the person is to be forgotten.

    Somebody whom auth still knows is left alone: the end of his erasure comes in auth's feed.
    """
    if not await store.hold_known(transaction.connection, user_id):
        await store.erase(transaction.connection, user_id, now)


async def erase_messages(transaction: Transaction, user_id: UUID, keys: Sequence[str], now: datetime) -> None:
    """Forget messages that tell of a person, whoever they are to, by the keys under which they were ordered."""
    await store.erase_messages(transaction.connection, user_id, keys, now)


def known_of(database: Database, user_id: UUID) -> AsyncGenerator[bytes]:
    """All that notifications knows of a person, by table, without secrets, as JSON."""
    return personal_data.document(database, Table.metadata, None, user_id)
