"""What can be done with pauses of channels."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping

from orion_core.database import Database
from orion_core.wakeup import Wakeup
from orion_notifications import audit_trail
from orion_notifications.audit_trail import Entry
from orion_notifications.delivery import actions as delivery
from orion_notifications.kinds import Channel


async def list_all(database: Database) -> Sequence[RowMapping]:
    """All channels that send nothing for now."""
    return await delivery.paused(database)


async def pause(database: Database, channel: Channel, reason: str, by: str, now: datetime) -> None:
    """Have workers take nothing of a channel from their next claim on; paused already, it has another reason."""
    async with database.transaction() as transaction:
        await delivery.pause(transaction, channel, reason=reason, by=by)
        entry = Entry("channel.pause", "channel", channel.name, new={"reason": reason}, by=by)
        await audit_trail.record(transaction, entry, now)


async def resume(database: Database, queue: Wakeup, channel: Channel, by: str, now: datetime) -> bool:
    """Let a channel send again; False when it was not paused."""
    async with database.transaction() as transaction:
        if not await delivery.resume(transaction, queue, channel):
            return False
        await audit_trail.record(transaction, Entry("channel.resume", "channel", channel.name, by=by), now)
        return True
