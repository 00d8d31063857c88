"""Choosing another username."""

from datetime import datetime
from uuid import UUID

from orion_auth.identities import actions as identities
from orion_auth.registrations.actions import username_taken
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import USERNAME_CHANGED
from orion_contracts.events import UsernameChanged
from orion_core.database import Database
from orion_core.events.outbox import Outbox


async def change(
    database: Database, outbox: Outbox, user_id: UUID, username: str, circumstances: Circumstances, now: datetime
) -> None:
    """Give the caller another username; 409 when somebody has it. The one that he has changes nothing."""
    async with database.transaction() as transaction:
        identity = await identities.hold_caller(transaction, user_id, now)
        if identity.username == username:
            return
        if not await identities.change_username(transaction, user_id, username):
            raise username_taken()
        told = security_events.changed(circumstances, {"username": identity.username}, {"username": username})
        await security_events.note(transaction, outbox, USERNAME_CHANGED, identity, told, now)
        await outbox.record(transaction, UsernameChanged(user_id=user_id, username=username, changed_at=now), now)
