"""Forgetting a person (GDPR Art. 17), and telling the person what is known (Art. 15)."""

from collections.abc import AsyncGenerator
from datetime import datetime
from uuid import UUID

from orion_auth.api_keys import actions as api_keys
from orion_auth.base import Table
from orion_auth.erasures import store
from orion_auth.identities import actions as identities
from orion_auth.sessions import actions as sessions
from orion_contracts.erasures import IdentityErased
from orion_contracts.user_events import ErasureRequested
from orion_core import personal_data
from orion_core.database import Database, Transaction
from orion_core.events.outbox import Outbox

IDENTITIES = "identities"


async def erase(transaction: Transaction, outbox: Outbox, event: ErasureRequested, now: datetime) -> None:
    """Forget the person: identity, credentials, sessions, devices, and the history of attempts and events.

    What stays is the refusal of the tokens that still verify by their signature, until they have expired, under an id
    that tells of nobody. Events that named the person leave the outbox; whoever has not read them yet has lost nothing
    that would not be erased again. `IdentityErased` comes behind all of them, also for somebody who is not here (any
    more): whoever asked waits for it.
    """
    user_id, connection = event.user_id, transaction.connection
    identity = await identities.hold(transaction, user_id, now)
    counts: dict[str, int] = {}
    if identity is not None:
        await sessions.end_all(transaction, outbox, user_id, reason="ERASED", revoked_by="user", now=now)
        counts = await personal_data.count(connection, Table.metadata, IDENTITIES, user_id)
        await store.delete_identity(connection, user_id)
        await api_keys.forget(transaction, user_id)
        await store.erase_history(connection, user_id, identity.email)
    counts["outbox"] = await store.delete_events(connection, user_id)
    told = IdentityErased(user_id=user_id, erasure_id=event.erasure_id, counts=counts, erased_at=now)
    await outbox.record(transaction, told, now)


def known_of(database: Database, user_id: UUID) -> AsyncGenerator[bytes]:
    """All that auth knows of a person, by table, without secrets, as JSON."""
    return personal_data.document(database, Table.metadata, IDENTITIES, user_id)
