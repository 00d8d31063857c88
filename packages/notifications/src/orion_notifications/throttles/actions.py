"""What can be done with throttles."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Database
from orion_notifications import audit_trail
from orion_notifications.audit_trail import Entry
from orion_notifications.kinds import Channel
from orion_notifications.throttles import store
from orion_notifications.throttles.rules import Excess, Throttle
from orion_notifications.throttles.shapes import ThrottleChange


async def is_throttled(connection: AsyncConnection, kind: str, channel: Channel) -> bool:
    """Whether anything limits messages of this type by this channel, whosever they are."""
    return await store.has(connection, kind, channel)


async def throttle_of(
    connection: AsyncConnection, user_id: UUID, kind: str, channel: Channel, now: datetime
) -> Throttle | None:
    """What limits messages of this type to the user, if anything does."""
    row = await store.find(connection, user_id, kind, channel, now)
    if row is None:
        return None
    used = {datetime.fromtimestamp(int(begins_at), UTC): count for begins_at, count in row["used"].items()}
    return Throttle(row["id"], row["most"], timedelta(seconds=row["window_seconds"]), Excess[row["excess"]], used)


async def take_room(connection: AsyncConnection, throttle: Throttle, user_id: UUID, begins_at: datetime) -> bool:
    """Take the room of one message in a window; False when others have taken the last of it meanwhile."""
    values = {"user_id": user_id, "throttle_id": throttle.id, "begins_at": begins_at, "most": throttle.most}
    return await store.take(connection, values)


async def list_all(database: Database) -> Sequence[RowMapping]:
    """All throttles."""
    async with database.autocommit() as connection:
        return await store.list_all(connection)


async def set_one(database: Database, wanted: ThrottleChange, now: datetime) -> RowMapping:
    """Set the throttle of a type and channel. Room that messages have taken stays theirs."""
    channel = wanted.channel and Channel[wanted.channel]
    values = {
        "type": wanted.type,
        "channel": channel,
        "most": wanted.most,
        "window_seconds": wanted.window_seconds,
        "excess": Excess[wanted.excess],
    }
    async with database.transaction() as transaction:
        before = await store.hold(transaction.connection, wanted.type, channel)
        row = await store.set_one(transaction.connection, values)
        entry = Entry("throttle.update", "throttle", str(row["id"]), old=_told(before), new=_told(row))
        await audit_trail.record(transaction, entry, now)
        return row


async def remove(database: Database, throttle_id: UUID, now: datetime) -> bool:
    """Take a throttle away; False when there is none."""
    async with database.transaction() as transaction:
        before = await store.remove(transaction.connection, throttle_id)
        if before is None:
            return False
        entry = Entry("throttle.delete", "throttle", str(throttle_id), old=_told(before))
        await audit_trail.record(transaction, entry, now)
        return True


def _told(row: RowMapping | None) -> dict[str, Any]:
    """What the audit trail tells of a throttle; nothing of none."""
    if row is None:
        return {}
    channel: Channel | None = row["channel"]
    told = {name: row[name] for name in ("type", "most", "window_seconds")}
    return told | {"channel": channel and channel.name, "excess": row["excess"].name}
