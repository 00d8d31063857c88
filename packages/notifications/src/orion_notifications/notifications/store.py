"""Statements on notifications and their keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, RowMapping, Uuid, any_, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.ids import uuid7
from orion_core.tables import table_of
from orion_notifications.decisions.shapes import MOST_KEPT
from orion_notifications.notifications.rules import NotificationStatus
from orion_notifications.notifications.tables import Notification, NotificationKey

NOTIFICATIONS = table_of(Notification)
KEYS = table_of(NotificationKey)
WALKED = 20_000
"""So many messages are looked through for one page by what no index serves, which takes some 20 ms."""
UNINDEXED = frozenset({"recipient", "type", "channel"})
COMMON = frozenset({NotificationStatus.SENT, NotificationStatus.DELIVERED})
"""What most messages are; what waits or has come to nothing is in ix_notifications_status_priority_queued_at or
ix_notifications_ended.
"""
REPEATS = "repeats"
"""In the metadata of what was sent again by hand: which message it repeats."""

COPIED = """user_id, type, category, channel, priority, template_id, template_version, locale, timezone, subject,
  content, html_content, recipient, recipient_name, variables, max_attempts, batch_id, tags"""

# By pk_notifications. What was rendered is rendered again, by the same version.
REPEAT = text(f"""
INSERT INTO notifications (id, {COPIED}, queued_at, metadata)
SELECT :new_id, {COPIED}, :now, metadata || jsonb_build_object('{REPEATS}', id)
FROM notifications WHERE id = :id
RETURNING *
""")  # noqa: S608

# What waits for its time, its digest or its next try (ix_notifications_user_id_waiting); what a worker has in hand is
# not touched. Nor is a warning: whoever has taken an account over changes its address first.
READDRESS = text("""
UPDATE notifications SET recipient = :address
WHERE user_id = :user_id AND status = 'QUEUED' AND next_attempt_at IS NOT NULL AND category <> 'SECURITY'
  AND channel = CAST(:channel AS channel) AND recipient IS NOT DISTINCT FROM :previous
""")

# What `with_one_more` does, of many that were judged alike (pk_notifications).
ONE_MORE = text(f"""
UPDATE notifications
SET decisions = jsonb_path_query_array(coalesce(decisions, '[]'), '$[0 to {MOST_KEPT - 2}]') || CAST(:said AS jsonb)
WHERE id = ANY (CAST(:ids AS uuid[]))
""")  # noqa: S608

# The one statement here that names delivery's table, by ix_delivery_attempts_notification_id.
ATTEMPTS = text("""
SELECT attempt_number, status::text AS status, provider, provider_message_id, status_code, response_time_ms, error_code,
  error_message, attempted_at, completed_at
FROM delivery_attempts WHERE notification_id = :id ORDER BY attempt_number LIMIT 100
""")


async def take_key(connection: AsyncConnection, key: str, notification_id: UUID) -> bool:
    """Take an idempotency key for ever; False when it is taken. Waits for a transaction that is taking the same one."""
    statement = insert(KEYS).values(key=key, notification_id=notification_id).on_conflict_do_nothing()
    return (await connection.execute(statement.returning(KEYS.c.key))).one_or_none() is not None


async def key_holder(connection: AsyncConnection, key: str) -> UUID:
    """The notification that a taken key stands for."""
    return (await connection.execute(select(KEYS.c.notification_id).where(KEYS.c.key == key))).scalar_one()


async def find_key(connection: AsyncConnection, key: str) -> UUID | None:
    """The notification that a key stands for, if it was taken (pk_notification_keys)."""
    return (await connection.execute(select(KEYS.c.notification_id).where(KEYS.c.key == key))).scalar_one_or_none()


async def add(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """Insert one notification."""
    await connection.execute(insert(NOTIFICATIONS).values(values))


async def add_many(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert several that have the same columns."""
    await connection.execute(insert(NOTIFICATIONS), rows)


async def find(connection: AsyncConnection, notification_id: UUID) -> RowMapping | None:
    """One notification (pk_notifications), and whether its template knows variables that are secret."""
    secret = text("""EXISTS (
      SELECT FROM templates t, jsonb_each(t.variables -> 'properties') AS property
      WHERE t.id = notifications.template_id AND property.value ->> 'x-secret' = 'true'
    ) AS holds_secrets""")
    statement = select(NOTIFICATIONS, secret).where(NOTIFICATIONS.c.id == notification_id)
    return (await connection.execute(statement)).mappings().one_or_none()


async def search(
    connection: AsyncConnection, filters: Mapping[str, Any], before: UUID | None, limit: int
) -> tuple[list[RowMapping], UUID | None]:
    """Notifications, newest first, and where a search has to go on that has looked through `WALKED` and found fewer.

    By pk_notifications, ix_notifications_user_id_id, ix_notifications_batch_id or ix_notifications_tags, whichever a
    filter names. An index for the others would cost every message that is sent more than it spares whoever looks.
    """
    unindexed = {name: value for name, value in filters.items() if name in UNINDEXED or value in COMMON}
    newest = select(NOTIFICATIONS).order_by(NOTIFICATIONS.c.id.desc())
    newest = newest.where(*(_condition(name, value) for name, value in filters.items() if name not in unindexed))
    if before is not None:
        newest = newest.where(NOTIFICATIONS.c.id < before)
    if not unindexed:
        return list((await connection.execute(newest.limit(limit))).mappings()), None
    walked = newest.limit(WALKED).subquery()
    statement = select(walked).where(*(walked.c[name] == value for name, value in unindexed.items()))
    rows = list((await connection.execute(statement.order_by(walked.c.id.desc()).limit(limit))).mappings())
    if len(rows) == limit:
        return rows, None
    last = newest.with_only_columns(NOTIFICATIONS.c.id).offset(WALKED - 1).limit(1)
    reached = (await connection.execute(last)).scalar_one_or_none()
    # What was taken meanwhile stands before it: whatever is in `rows` is not found again.
    return rows, reached if reached is None else min([reached, *(row["id"] for row in rows[-1:])])


def _condition(name: str, value: Any) -> ColumnElement[bool]:
    match name:
        case "tag":
            return NOTIFICATIONS.c.tags.contains([value])
        case "since":
            return NOTIFICATIONS.c.id >= func.uuidv7_floor(value)
        case "until":
            return NOTIFICATIONS.c.id < func.uuidv7_floor(value)
        case _:
            return NOTIFICATIONS.c[name] == value


async def change(connection: AsyncConnection, notification_id: UUID, values: dict[str, Any]) -> RowMapping:
    """Change one notification (pk_notifications)."""
    statement = update(NOTIFICATIONS).where(NOTIFICATIONS.c.id == notification_id).values(values)
    return (await connection.execute(statement.returning(NOTIFICATIONS))).mappings().one()


async def change_many(
    connection: AsyncConnection, ids: Sequence[UUID], values: dict[str, Any], said: Mapping[str, Any] | None = None
) -> None:
    """Change several alike, and keep the judgement that led to it (pk_notifications)."""
    mine = NOTIFICATIONS.c.id == any_(bindparam("ids", list(ids), type_=ARRAY(Uuid)))
    await connection.execute(update(NOTIFICATIONS).where(mine).values(values))
    if said is not None:
        await connection.execute(ONE_MORE, {"ids": list(ids), "said": orjson.dumps(said).decode()})


async def repeat(connection: AsyncConnection, notification_id: UUID, now: datetime) -> RowMapping:
    """A new notification that says the same to the same recipient."""
    values = {"id": notification_id, "new_id": uuid7(), "now": now}
    new_id = (await connection.execute(REPEAT, values)).mappings().one()["id"]
    return (await connection.execute(select(NOTIFICATIONS).where(NOTIFICATIONS.c.id == new_id))).mappings().one()


async def readdress(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Have what waits for a user go to another address, or to none."""
    await connection.execute(READDRESS, values)


async def attempts(connection: AsyncConnection, notification_id: UUID) -> Sequence[RowMapping]:
    """The tries of one notification."""
    return (await connection.execute(ATTEMPTS, {"id": notification_id})).mappings().all()


async def deferred_of(connection: AsyncConnection, user_id: UUID) -> Sequence[RowMapping]:
    """What was put off by a decision, and not by a try that failed (ix_notifications_user_id_waiting)."""
    statement = select(NOTIFICATIONS).where(
        NOTIFICATIONS.c.user_id == user_id,
        NOTIFICATIONS.c.status == NotificationStatus.QUEUED,
        NOTIFICATIONS.c.deferred_reason.is_not(None),
    )
    return (await connection.execute(statement)).mappings().all()
