"""Statements on engagements. What is known of the message is read beside (ARCHITECTURE, fence 2)."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

# Requests for one message follow one another, so that each sees what was counted before it.
LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('engagements ' || CAST(:id AS text), 0))")

# By pk_notifications and ix_engagements_notification_id, of which there are twice MOST_RECORDED at most. What was
# erased has no recipient.
FACTS = text("""
SELECT n.user_id, now() - n.sent_at AS since_sent, recorded.*
FROM notifications n
CROSS JOIN LATERAL (
  SELECT
    count(*) FILTER (WHERE e.machine IS NULL) AS readers,
    count(*) FILTER (WHERE e.machine IS NOT NULL) AS machines,
    count(DISTINCT e.link) FILTER (
      WHERE e.kind = 'CLICK' AND e.link <> :link AND e.occurred_at > now() - interval '1 second'
    ) AS others
  FROM engagements e WHERE e.notification_id = n.id
) AS recorded
WHERE n.id = :id AND n.recipient IS NOT NULL
""")

ADD = text("""
INSERT INTO engagements (notification_id, user_id, kind, link, agent, machine)
VALUES (:id, :user_id, CAST(:kind AS engagement_kind), :link, CAST(:agent AS agent), :machine)
""")

# The first links of a burst were taken for a reader's, and so was the picture.
CORRECT = text("""
UPDATE engagements SET machine = :machine
WHERE notification_id = :id AND machine IS NULL AND occurred_at > now() - interval '1 second'
""")

OF_MESSAGE = text("""
SELECT kind::text AS kind, link, agent::text AS agent, machine, occurred_at
FROM engagements WHERE notification_id = :id ORDER BY id
""")  # ix_engagements_notification_id

REFUSES = text("SELECT refuses_tracking FROM user_preferences WHERE user_id = :user_id")  # uq_user_preferences_user_id


async def facts(connection: AsyncConnection, notification_id: UUID, link: int) -> RowMapping | None:
    """What is known of a message; nobody else adds to it until the commit."""
    await connection.execute(LOCK, {"id": str(notification_id)})
    return (await connection.execute(FACTS, {"id": notification_id, "link": link})).mappings().one_or_none()


async def add(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Write one down."""
    await connection.execute(ADD, values)


async def correct(connection: AsyncConnection, notification_id: UUID, machine: str) -> None:
    """What was done in the last second was no reader's either."""
    await connection.execute(CORRECT, {"id": notification_id, "machine": machine})


async def of_message(connection: AsyncConnection, notification_id: UUID) -> Sequence[RowMapping]:
    """Those of one message, in their order."""
    return (await connection.execute(OF_MESSAGE, {"id": notification_id})).mappings().all()


async def refuses(connection: AsyncConnection, user_id: UUID) -> bool:
    """Whether a user does not want to be watched."""
    return bool((await connection.execute(REFUSES, {"user_id": user_id})).scalar_one_or_none())
