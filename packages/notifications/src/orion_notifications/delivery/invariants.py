"""What must hold of the queue at any moment. `INVARIANTS` names every row by which it does not; it must find none."""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

RULES = (
    "unqueued",
    "finished_but_queued",
    "processing_without_lease",
    "wrong_channel",
    "lease_overdue",
    "sent_without_status",
)

# Each part looks at the head of an index (`:sample` rows of it), so it may be asked at every probe; with a sample as
# large as the tables it is the whole truth. All parts see one snapshot.
INVARIANTS = text("""
SELECT 'unqueued' AS broken, waiting.id AS notification_id            -- ix_notifications_status_priority_queued_at
FROM (
  SELECT id FROM notifications WHERE status IN ('QUEUED', 'PROCESSING')
  ORDER BY status, priority, queued_at LIMIT :sample
) AS waiting
WHERE NOT EXISTS (SELECT FROM notification_queue q WHERE q.notification_id = waiting.id)
UNION ALL
SELECT CASE
    WHEN n.status NOT IN ('QUEUED', 'PROCESSING') THEN 'finished_but_queued'
    WHEN n.status = 'PROCESSING' AND queued.lease_until IS NULL THEN 'processing_without_lease'
    ELSE 'wrong_channel' END, queued.notification_id                  -- pk_notification_queue
FROM (
  SELECT notification_id, lease_until, channel FROM notification_queue ORDER BY notification_id LIMIT :sample
) AS queued JOIN notifications n ON n.id = queued.notification_id
WHERE n.status NOT IN ('QUEUED', 'PROCESSING') OR (n.status = 'PROCESSING' AND queued.lease_until IS NULL)
  OR queued.channel <> n.channel
UNION ALL
SELECT 'lease_overdue', notification_id                               -- ix_notification_queue_leased
FROM notification_queue WHERE lease_until < now() - make_interval(secs => :overdue_seconds)
UNION ALL
SELECT 'sent_without_status', tried.notification_id
FROM (                                                                -- pk_delivery_attempts, the latest first
  SELECT notification_id, attempt_number, status FROM delivery_attempts ORDER BY id DESC LIMIT :sample
) AS tried JOIN notifications n ON n.id = tried.notification_id
WHERE tried.status = 'SUCCESS' AND n.status IN ('QUEUED', 'PROCESSING')
""")


async def broken(connection: AsyncConnection, sample: int, overdue_seconds: float) -> Mapping[str, int]:
    """How many rows break which invariant, in a sample."""
    rows = await connection.execute(INVARIANTS, {"sample": sample, "overdue_seconds": overdue_seconds})
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.broken] = counts.get(row.broken, 0) + 1
    return counts
