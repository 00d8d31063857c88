"""Shutting a user out, and letting him in again."""

from datetime import datetime
from uuid import UUID

from orion_auth.identities import actions as identities
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import ACCOUNT_REINSTATED, ACCOUNT_SUSPENDED
from orion_auth.sessions import actions as sessions
from orion_contracts.events import IdentityReinstated, IdentitySuspended
from orion_core.database import Database, Transaction
from orion_core.errors import not_found
from orion_core.events.outbox import Outbox


async def suspend(database: Database, outbox: Outbox, user_id: UUID, administrator: str, now: datetime) -> None:
    """Shut a user out and end all his sessions; 404 for nobody. A sign-in under way is waited for, and ended."""
    async with database.transaction() as transaction:
        if not await suspend_within(transaction, outbox, user_id, administrator, now):
            raise not_found("user")


async def reinstate(database: Database, outbox: Outbox, user_id: UUID, administrator: str, now: datetime) -> None:
    """Let a suspended user sign in again; 404 for nobody."""
    async with database.transaction() as transaction:
        if not await reinstate_within(transaction, outbox, user_id, administrator, now):
            raise not_found("user")


async def suspend_within(
    transaction: Transaction, outbox: Outbox, user_id: UUID, administrator: str, now: datetime
) -> bool:
    """The same inside a transaction; False for nobody."""
    identity = await identities.hold(transaction, user_id, now)
    if identity is not None and await identities.suspend(transaction, user_id):
        await sessions.end_all(transaction, outbox, user_id, reason="SUSPENDED", revoked_by=administrator, now=now)
        circumstances = Circumstances(details={"administrator": administrator})
        await security_events.note(transaction, outbox, ACCOUNT_SUSPENDED, identity, circumstances, now)
        await outbox.record(transaction, IdentitySuspended(user_id=user_id, suspended_at=now), now)
    return identity is not None


async def reinstate_within(
    transaction: Transaction, outbox: Outbox, user_id: UUID, administrator: str, now: datetime
) -> bool:
    """The same inside a transaction; False for nobody."""
    identity = await identities.hold(transaction, user_id, now)
    if identity is not None and await identities.reinstate(transaction, user_id):
        circumstances = Circumstances(details={"administrator": administrator})
        await security_events.note(transaction, outbox, ACCOUNT_REINSTATED, identity, circumstances, now)
        await outbox.record(transaction, IdentityReinstated(user_id=user_id, reinstated_at=now), now)
    return identity is not None
