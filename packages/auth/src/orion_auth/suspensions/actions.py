"""Shutting a user out, and letting him in again."""

from datetime import datetime
from uuid import UUID

from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
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
        identity = await _held(transaction, user_id, now)
        if not await identities.suspend(transaction, user_id):
            return
        await sessions.end_all(transaction, outbox, user_id, reason="SUSPENDED", revoked_by=administrator, now=now)
        circumstances = Circumstances(details={"administrator": administrator})
        await security_events.note(transaction, outbox, ACCOUNT_SUSPENDED, identity, circumstances, now)
        await outbox.record(transaction, IdentitySuspended(user_id=user_id, suspended_at=now), now)


async def reinstate(database: Database, outbox: Outbox, user_id: UUID, administrator: str, now: datetime) -> None:
    """Let a suspended user sign in again; 404 for nobody."""
    async with database.transaction() as transaction:
        identity = await _held(transaction, user_id, now)
        if not await identities.reinstate(transaction, user_id):
            return
        circumstances = Circumstances(details={"administrator": administrator})
        await security_events.note(transaction, outbox, ACCOUNT_REINSTATED, identity, circumstances, now)
        await outbox.record(transaction, IdentityReinstated(user_id=user_id, reinstated_at=now), now)


async def _held(transaction: Transaction, user_id: UUID, now: datetime) -> KnownIdentity:
    identity = await identities.hold(transaction, user_id, now)
    if identity is None:
        raise not_found("user")
    return identity
