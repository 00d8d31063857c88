"""What can be done with an inbox."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from orion_core.database import Database
from orion_core.errors import not_found
from orion_core.paging import Cursors
from orion_notifications import audit_trail
from orion_notifications.audit_trail import Entry
from orion_notifications.inbox import store
from orion_notifications.inbox.shapes import Counters, InboxChange, NotificationChange
from orion_notifications.kinds import Channel


@dataclass(frozen=True)
class Listing:
    """Which messages of a user are asked for; `cursor` is that of the page before."""

    user_id: UUID
    folder: str
    channel: Channel | None
    cursor: str | None
    limit: int

    @property
    def name(self) -> str:
        """What its cursors are good for."""
        return f"me/notifications {self.user_id} {self.channel and self.channel.name} {self.folder}"


async def list_messages(
    database: Database, cursors: Cursors, listing: Listing, now: datetime
) -> tuple[list[RowMapping], str | None]:
    """What has reached a user, newest first, and the cursor of the next page.

    A 400 Problem when the cursor is not of this listing.
    """
    values = {
        "user_id": listing.user_id,
        "channel": listing.channel and listing.channel.name,
        "before": None if listing.cursor is None else cursors.read(listing.name, listing.cursor)[0],
        "limit": listing.limit + 1,  # one more tells whether there is a further page
        "now": now,
    }
    async with database.autocommit() as connection:
        rows = await store.list_of_user(connection, listing.folder, values)
    page = rows[: listing.limit]
    following = cursors.issue(listing.name, [page[-1]["id"]]) if len(rows) > listing.limit else None
    return page, following


async def read_message(database: Database, user_id: UUID, notification_id: UUID) -> RowMapping:
    """One message of a user; a 404 Problem when it is not theirs."""
    async with database.autocommit() as connection:
        return _found(await store.find(connection, user_id, notification_id))


async def change_message(
    database: Database, user_id: UUID, notification_id: UUID, wanted: NotificationChange, now: datetime
) -> RowMapping:
    """Mark one message of a user; a 404 Problem when it is not theirs."""
    values: dict[str, Any] = {
        "id": notification_id,
        "user_id": user_id,
        "read": wanted.read,
        "seen": wanted.seen,
        "archived": wanted.archived,
        "snoozes": "snoozed_until" in wanted.model_fields_set,
        "snoozed_until": wanted.snoozed_until,
        "now": now,
    }
    async with database.transaction() as transaction:
        row = _found(await store.change(transaction.connection, values))
        marks: Mapping[str, Any] = {name: row[name] for name in ("read_at", "seen_at", "archived_at", "snoozed_until")}
        entry = Entry("notification.update", "notification", str(notification_id), user_id, new=marks)
        await audit_trail.record(transaction, entry, now)
        return row


async def change_all(database: Database, user_id: UUID, wanted: InboxChange, now: datetime) -> Counters:
    """Mark all that is unread, and tell what is left."""
    values = {"user_id": user_id, "read": bool(wanted.read), "up_to": wanted.up_to, "now": now}
    async with database.transaction() as transaction:
        count = await store.change_all(transaction.connection, values)
        new = {"read": bool(wanted.read), "count": count}
        await audit_trail.record(transaction, Entry("inbox.update", "inbox", str(user_id), user_id, new=new), now)
    return await counters(database, user_id, now)


async def counters(database: Database, user_id: UUID, now: datetime) -> Counters:
    """How many messages of an inbox are what."""
    async with database.autocommit() as connection:
        (row,) = await store.counters(connection, [user_id], now)
    return Counters(unread=row["unread"], unseen=row["unseen"], snoozed=row["snoozed"])


def _found(row: RowMapping | None) -> RowMapping:
    if row is None:
        raise not_found("notification")
    return row
