"""Telling that invitations were accepted by nobody.

An invitation ends at its time, without anybody's doing. This only writes it down and tells of it, once; any number of
processes may do so at once.
"""

import asyncio

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_contracts.access_events import MembershipChanged
from orion_contracts.invitations import InvitationExpired
from orion_core.background import pause, unless_stopped
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.events.outbox import Outbox
from orion_user.audit import actions as audit
from orion_user.audit.actions import SYSTEM, Change
from orion_user.organizations import store
from orion_user.organizations.rules import TOLD_WITHIN
from orion_user.organizations.telling import event_values

EVERY_SECONDS = 30
AT_ONCE = 100

log = structlog.get_logger()


async def keep_told(database: Database, outbox: Outbox, clock: Clock, stop: asyncio.Event) -> None:
    """Every half minute until `stop`."""
    while not stop.is_set():
        try:
            while await unless_stopped(stop, tell_expired(database, outbox, clock)) == AT_ONCE:
                pass
        except (SQLAlchemyError, OSError) as error:
            log.warning("invitations.put_off", reason=type(error).__name__)
        await pause(stop, EVERY_SECONDS)


async def tell_expired(database: Database, outbox: Outbox, clock: Clock) -> int:
    """Tell of those that nobody has accepted in time; returns how many they were, AT_ONCE at most."""
    now = clock()
    async with database.transaction() as transaction:
        rows = await store.expired(transaction.connection, now - TOLD_WITHIN, now, AT_ONCE)
        for row in rows:
            await outbox.record(transaction, MembershipChanged(**event_values(row, "EXPIRED", now)), now)
            if row["concerns_sender"]:
                event = InvitationExpired(
                    user_id=row["invited_by"],
                    membership_id=row["id"],
                    organization_id=row["organization_id"],
                    organization=row["organization"],
                    email=row["email"],
                    expired_at=row["expires_at"],
                )
                await outbox.record(transaction, event, now)
            change = Change("membership.expired", "membership", str(row["id"]), new={"expires_at": row["expires_at"]})
            await audit.record(transaction, SYSTEM, change, now)
    return len(rows)
