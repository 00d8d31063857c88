"""Statements on what has reached users.

They name `notifications` in raw SQL: the record of a message is what stands in the inbox, and there is no copy of it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

SHOWN = """id, type, category::text AS category, channel::text AS channel, priority::text AS priority,
  status::text AS status, locale, subject, content, created_at, sent_at, delivered_at, seen_at, read_at, archived_at,
  snoozed_until"""
REACHED = "status IN ('SENT', 'DELIVERED')"
UNREAD = "channel = 'IN_APP' AND read_at IS NULL AND archived_at IS NULL"

# Newest first, by ix_notifications_user_id_id; the unread by ix_notifications_unread.
LIST = f"""
SELECT {SHOWN} FROM notifications
WHERE user_id = :user_id AND {REACHED}
  AND (CAST(:before AS uuid) IS NULL OR id < :before)
  AND (CAST(:channel AS channel) IS NULL OR channel = CAST(:channel AS channel))
"""  # noqa: S608
NEWEST_FIRST = "ORDER BY id DESC LIMIT :limit"
FOLDERS = {
    "inbox": "AND archived_at IS NULL AND (snoozed_until IS NULL OR snoozed_until <= :now)",
    "unread": f"AND {UNREAD} AND (snoozed_until IS NULL OR snoozed_until <= :now)",
    "archived": "AND archived_at IS NOT NULL AND CAST(:now AS timestamptz) IS NOT NULL",
    "snoozed": "AND archived_at IS NULL AND snoozed_until > :now",
}
LISTS = {name: text(f"{LIST} {folder} {NEWEST_FIRST}") for name, folder in FOLDERS.items()}

FIND = text(f"SELECT {SHOWN} FROM notifications WHERE id = :id AND user_id = :user_id AND {REACHED}")  # noqa: S608

# By pk_notifications. The first time that something was read or seen stays; what is read was seen.
CHANGE = text(f"""
UPDATE notifications SET
  read_at = CASE WHEN CAST(:read AS boolean) IS NULL THEN read_at WHEN :read THEN coalesce(read_at, :now) END,
  seen_at = CASE
    WHEN :read OR :seen THEN coalesce(seen_at, :now)
    WHEN NOT CAST(:seen AS boolean) AND (read_at IS NULL OR NOT CAST(:read AS boolean)) THEN NULL
    ELSE seen_at END,
  archived_at = CASE
    WHEN CAST(:archived AS boolean) IS NULL THEN archived_at WHEN :archived THEN coalesce(archived_at, :now) END,
  snoozed_until = CASE WHEN :snoozes THEN CAST(:snoozed_until AS timestamptz) ELSE snoozed_until END
WHERE id = :id AND user_id = :user_id AND {REACHED}
RETURNING {SHOWN}
""")  # noqa: S608

# By ix_notifications_unread. What was put off was not shown, and comes back as it was.
CHANGE_ALL = text(f"""
UPDATE notifications SET
  read_at = CASE WHEN :read THEN :now ELSE read_at END,
  seen_at = coalesce(seen_at, :now)
WHERE user_id = :user_id AND {UNREAD} AND {REACHED} AND (:read OR seen_at IS NULL)
  AND (snoozed_until IS NULL OR snoozed_until <= :now)
  AND (CAST(:up_to AS uuid) IS NULL OR id <= :up_to)
RETURNING id
""")  # noqa: S608

# Of several users in one round trip, by ix_notifications_unread.
COUNTERS = text(f"""
SELECT watcher.user_id, counted.unread, counted.unseen, counted.snoozed
FROM unnest(CAST(:user_ids AS uuid[])) AS watcher (user_id)
CROSS JOIN LATERAL (
  SELECT
    count(*) FILTER (WHERE snoozed_until IS NULL OR snoozed_until <= :now) AS unread,
    count(*) FILTER (WHERE seen_at IS NULL AND (snoozed_until IS NULL OR snoozed_until <= :now)) AS unseen,
    count(*) FILTER (WHERE snoozed_until > :now) AS snoozed
  FROM notifications WHERE user_id = watcher.user_id AND {UNREAD} AND {REACHED}
) AS counted
""")  # noqa: S608

# What has come after a moment and an id, for several watchers in one round trip, by ix_notifications_inbox.
ARRIVED = text(f"""
SELECT watcher.number, arrived.*
FROM unnest(
  CAST(:numbers AS integer[]), CAST(:user_ids AS uuid[]), CAST(:since AS timestamptz[]), CAST(:after AS uuid[])
) AS watcher (number, user_id, since, after)
CROSS JOIN LATERAL (
  SELECT {SHOWN} FROM notifications
  WHERE user_id = watcher.user_id AND channel = 'IN_APP' AND delivered_at IS NOT NULL
    AND (delivered_at, id) > (watcher.since, watcher.after)
  ORDER BY delivered_at, id LIMIT :limit
) AS arrived
ORDER BY watcher.number, arrived.delivered_at, arrived.id
""")  # noqa: S608


async def list_of_user(connection: AsyncConnection, folder: str, values: Mapping[str, Any]) -> list[RowMapping]:
    """What has reached a user, newest first."""
    return list((await connection.execute(LISTS[folder], values)).mappings())


async def find(connection: AsyncConnection, user_id: UUID, notification_id: UUID) -> RowMapping | None:
    """One message that has reached the user."""
    values = {"user_id": user_id, "id": notification_id}
    return (await connection.execute(FIND, values)).mappings().one_or_none()


async def change(connection: AsyncConnection, values: Mapping[str, Any]) -> RowMapping | None:
    """Mark one message; what is null in `values` stays."""
    return (await connection.execute(CHANGE, values)).mappings().one_or_none()


async def change_all(connection: AsyncConnection, values: Mapping[str, Any]) -> int:
    """Mark all that is unread; how many those were."""
    return len((await connection.execute(CHANGE_ALL, values)).all())


async def counters(connection: AsyncConnection, user_ids: Sequence[UUID], now: datetime) -> list[RowMapping]:
    """How many messages of each inbox are what."""
    return list((await connection.execute(COUNTERS, {"user_ids": list(user_ids), "now": now})).mappings())


async def arrived(
    connection: AsyncConnection, watchers: Sequence[tuple[UUID, datetime, UUID]], limit: int
) -> list[RowMapping]:
    """What has come into the inbox of each watcher (by its number) after a moment and an id, the earliest first."""
    values = {
        "numbers": list(range(len(watchers))),
        "user_ids": [user_id for user_id, _, _ in watchers],
        "since": [since for _, since, _ in watchers],
        "after": [after for _, _, after in watchers],
        "limit": limit,
    }
    return list((await connection.execute(ARRIVED, values)).mappings())
