"""Statements of the queue.

Each step of a delivery is one statement: it moves the queue row, the record and the attempt together or not at all. So
these statements name `notifications` too, the one place where a slice's SQL reaches into another's table; the price of
asking would be a round trip per message.

Times are the database's (`now()`): leases compare clocks of several machines otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_notifications.delivery.messages import Outcome, Report, Told, Waiting
from orion_notifications.delivery.rules import Reported
from orion_notifications.kinds import Priority

ENQUEUE = text("""
INSERT INTO notification_queue (notification_id, priority, due_at, ordering_key)
VALUES (:notification_id, CAST(:priority AS priority), coalesce(:due_at, now()), :ordering_key)
""")

# Of one batch, in one round trip.
ENQUEUE_MANY = text("""
INSERT INTO notification_queue (notification_id, priority, due_at, ordering_key)
SELECT id, priority, coalesce(due_at, now()), ordering_key
FROM unnest(
  CAST(:ids AS uuid[]), CAST(:priorities AS priority[]), CAST(:due_at AS timestamptz[]), CAST(:keys AS varchar[])
) AS waiting (id, priority, due_at, ordering_key)
""")

# What a worker has is not touched: it waits for a claim that is under way, and then looks again (READ COMMITTED).
WITHDRAW = text("""
DELETE FROM notification_queue WHERE notification_id = :id AND lease_until IS NULL RETURNING notification_id
""")

RESCHEDULE = text("""
UPDATE notification_queue SET due_at = :due_at WHERE notification_id = :id AND lease_until IS NULL
RETURNING notification_id
""")

# SENT alone has something that may follow by a report. The row is found by ix_notifications_provider_message_id, and
# once more after an UPDATE that had to wait for another report of the same message.
REPORT = text("""
WITH moved AS (
  UPDATE notifications
  SET status = CAST(:status AS notification_status),
    delivered_at = CASE WHEN :status = 'DELIVERED' THEN now() ELSE delivered_at END,
    failed_at = CASE WHEN :status <> 'DELIVERED' THEN now() ELSE failed_at END,
    error_code = :code, error_message = :words
  WHERE provider_message_id = :message_id AND provider = :provider AND status = 'SENT'
  RETURNING id
)
SELECT n.id, EXISTS (SELECT FROM moved WHERE moved.id = n.id) AS is_news
FROM notifications n WHERE n.provider_message_id = :message_id AND n.provider = :provider
ORDER BY n.id DESC LIMIT 1
""")

# One index range per priority (ix_notification_queue_due), the most urgent first; rows that others hold are skipped.
# By ctid, because a join on the key would be planned as a scan of the whole queue; the rows are locked, so they stay.
CLAIM = text("""
WITH due AS (
  SELECT waiting.row_id
  FROM unnest('{URGENT,HIGH,NORMAL,LOW}'::priority[]) WITH ORDINALITY AS level (priority, rank)
  CROSS JOIN LATERAL (
    SELECT q.ctid AS row_id FROM notification_queue q
    WHERE q.priority = level.priority AND q.lease_until IS NULL AND q.due_at <= now()
      AND (q.ordering_key IS NULL OR NOT EXISTS (
        SELECT FROM notification_queue earlier
        WHERE earlier.ordering_key = q.ordering_key AND earlier.notification_id < q.notification_id
      ))
    ORDER BY q.due_at LIMIT :batch FOR UPDATE OF q SKIP LOCKED
  ) AS waiting
  LIMIT :batch
), leased AS (
  UPDATE notification_queue q
  SET lease_until = now() + make_interval(secs => :lease_seconds), attempt = q.attempt + 1
  WHERE q.ctid = ANY (ARRAY(SELECT row_id FROM due)) AND q.lease_until IS NULL
  RETURNING q.notification_id, q.attempt
), started AS (
  UPDATE notifications n
  SET status = 'PROCESSING', processing_at = now(), attempts = n.attempts + 1, next_attempt_at = NULL
  FROM leased WHERE n.id = leased.notification_id
  RETURNING n.*, leased.attempt
), attempted AS (
  INSERT INTO delivery_attempts (notification_id, attempt_number)
  SELECT id, attempt FROM started
  RETURNING id, notification_id
)
SELECT s.id, s.attempt, s.attempts, a.id AS attempt_id, s.user_id, s.type, s.channel::text AS channel,
  s.category::text AS category, s.recipient, s.recipient_name, s.template_id, s.template_version, s.locale, s.timezone,
  s.subject, s.content, s.html_content, s.variables, s.sealed_variables, s.max_attempts, s.expires_at
FROM started s JOIN attempted a ON a.notification_id = s.id
""")

# The fence is the pair of attempt and lease: whoever lost the lease finds no row, and writes nothing.
FINISH = text("""
WITH outcome AS (
  SELECT * FROM jsonb_to_recordset(CAST(:outcomes AS jsonb)) AS o (
    id uuid, attempt smallint, attempt_id uuid, attempt_status attempt_status, next notification_status,
    delay_seconds float8, due_at timestamptz, deferred_reason text,
    response_time_ms integer, provider text, provider_message_id text, status_code integer,
    response text, error_code text, error_message text, subject text, content text, html_content text
  )
), again AS MATERIALIZED (
  SELECT id, attempt, delay_seconds, due_at FROM outcome WHERE next = 'QUEUED'
), retried AS (
  UPDATE notification_queue q
  SET lease_until = NULL, due_at = coalesce(again.due_at, now() + make_interval(secs => again.delay_seconds))
  FROM again
  WHERE q.notification_id = again.id AND q.attempt = again.attempt AND q.lease_until IS NOT NULL
  RETURNING q.notification_id, q.due_at
), finished AS (
  DELETE FROM notification_queue q USING outcome o
  WHERE q.notification_id = o.id AND q.attempt = o.attempt AND q.lease_until IS NOT NULL AND o.next <> 'QUEUED'
  RETURNING q.notification_id
), held AS (
  SELECT notification_id, due_at FROM retried UNION ALL SELECT notification_id, NULL FROM finished
), attempted AS (
  UPDATE delivery_attempts a
  SET status = o.attempt_status, completed_at = now(), response_time_ms = o.response_time_ms, provider = o.provider,
    provider_message_id = o.provider_message_id, status_code = o.status_code, response = o.response,
    error_code = o.error_code, error_message = o.error_message
  FROM outcome o JOIN held ON held.notification_id = o.id WHERE a.id = o.attempt_id
)
UPDATE notifications n
SET status = o.next, next_attempt_at = held.due_at,
  attempts = n.attempts - CASE WHEN o.attempt_status = 'NOT_TRIED' THEN 1 ELSE 0 END,
  sent_at = CASE WHEN o.next IN ('SENT', 'DELIVERED') THEN now() END,
  delivered_at = CASE WHEN o.next = 'DELIVERED' THEN now() END,
  failed_at = CASE WHEN o.next = 'FAILED' THEN now() END,
  cancelled_at = CASE WHEN o.next = 'CANCELLED' THEN now() END, deferred_reason = o.deferred_reason,
  provider = coalesce(o.provider, n.provider), provider_message_id = o.provider_message_id,
  provider_response = CASE WHEN o.response IS NOT NULL
    THEN jsonb_build_object('status_code', o.status_code, 'response', o.response) END,
  error_code = o.error_code, error_message = o.error_message,
  subject = coalesce(o.subject, n.subject), content = coalesce(o.content, n.content),
  html_content = coalesce(o.html_content, n.html_content),
  sealed_variables = CASE WHEN o.next = 'QUEUED' THEN n.sealed_variables END
FROM outcome o JOIN held ON held.notification_id = o.id
WHERE n.id = o.id
RETURNING n.id
""")

# Leases that ran out (ix_notification_queue_leased): a worker is dead or cut off; its message may have left or not.
GIVE_BACK = text("""
WITH overdue AS (
  SELECT notification_id, attempt FROM notification_queue
  WHERE lease_until < now() ORDER BY lease_until LIMIT :batch FOR UPDATE SKIP LOCKED
), unknown AS (
  UPDATE delivery_attempts a
  SET status = 'UNKNOWN', completed_at = now(), error_code = 'lease_expired',
    error_message = 'the worker did not report back; the message may have left'
  FROM overdue o
  WHERE a.notification_id = o.notification_id AND a.attempt_number = o.attempt AND a.status = 'PENDING'
), returned AS (
  UPDATE notifications n
  SET status = CASE WHEN n.attempts < n.max_attempts THEN 'QUEUED' ELSE 'FAILED' END::notification_status,
    next_attempt_at = CASE WHEN n.attempts < n.max_attempts THEN now() END,
    failed_at = CASE WHEN n.attempts >= n.max_attempts THEN now() END,
    error_code = 'lease_expired', error_message = 'the worker did not report back; the message may have left',
    sealed_variables = CASE WHEN n.attempts < n.max_attempts THEN n.sealed_variables END
  FROM overdue o WHERE n.id = o.notification_id
  RETURNING n.id, n.status
), again AS (
  UPDATE notification_queue q SET lease_until = NULL, due_at = now()
  FROM returned r WHERE q.notification_id = r.id AND r.status = 'QUEUED'
), given_up AS (
  DELETE FROM notification_queue q USING returned r WHERE q.notification_id = r.id AND r.status = 'FAILED'
)
SELECT id FROM returned
""")

# Reads the head of each index only, so it may be asked at every probe.
HEALTH = text("""
SELECT
  (SELECT extract(epoch FROM now() - min(head.due_at))
   FROM unnest(enum_range(NULL::priority)) AS level (priority)
   CROSS JOIN LATERAL (
     SELECT q.due_at FROM notification_queue q
     WHERE q.priority = level.priority AND q.lease_until IS NULL AND q.due_at <= now() ORDER BY q.due_at LIMIT 1
   ) AS head) AS waiting_seconds,
  (SELECT extract(epoch FROM now() - min(lease_until)) FROM notification_queue WHERE lease_until < now())
    AS overdue_seconds,
  (SELECT count(*) FROM (
     SELECT id FROM notifications WHERE status IN ('QUEUED', 'PROCESSING')
     ORDER BY status, priority, queued_at LIMIT :sample
   ) AS undelivered
   WHERE NOT EXISTS (SELECT FROM notification_queue q WHERE q.notification_id = undelivered.id)) AS unqueued,
  (SELECT count(*) FROM (
     SELECT notification_id FROM notification_queue ORDER BY notification_id LIMIT :sample
   ) AS queued
   JOIN notifications n ON n.id = queued.notification_id
   WHERE n.status NOT IN ('QUEUED', 'PROCESSING')) AS finished_in_queue
""")


@dataclass(frozen=True)
class QueueHealth:
    """What `/readyz` tells of the queue. The two counts are of broken invariants, in a sample from the oldest on."""

    waiting_seconds: float
    overdue_seconds: float
    unqueued: int
    finished_in_queue: int


async def enqueue(
    connection: AsyncConnection, notification_id: UUID, priority: Priority, due_at: datetime | None, key: str | None
) -> None:
    """Add the row that workers look for."""
    values = {"notification_id": notification_id, "priority": priority.name, "due_at": due_at, "ordering_key": key}
    await connection.execute(ENQUEUE, values)


async def enqueue_many(connection: AsyncConnection, rows: Sequence[Waiting]) -> None:
    """Add the rows of many."""
    values = {
        "ids": [row.notification_id for row in rows],
        "priorities": [row.priority.name for row in rows],
        "due_at": [row.due_at for row in rows],
        "keys": [row.ordering_key for row in rows],
    }
    await connection.execute(ENQUEUE_MANY, values)


async def withdraw(connection: AsyncConnection, notification_id: UUID) -> bool:
    """Remove the row, unless it is leased (pk_notification_queue)."""
    return (await connection.execute(WITHDRAW, {"id": notification_id})).scalar_one_or_none() is not None


async def reschedule(connection: AsyncConnection, notification_id: UUID, due_at: datetime) -> bool:
    """Have it due at another time, unless it is leased (pk_notification_queue)."""
    values = {"id": notification_id, "due_at": due_at}
    return (await connection.execute(RESCHEDULE, values)).scalar_one_or_none() is not None


async def report(connection: AsyncConnection, provider: str, message_id: str, what: Report) -> Told | None:
    """Move the record, where that is forward (ix_notifications_provider_message_id)."""
    is_bad = what.status is not Reported.DELIVERED
    values = {
        "provider": provider,
        "message_id": message_id,
        "status": what.status.name,
        "code": (what.code or what.status.name.lower()) if is_bad else None,
        "words": _storable(what.words, 2000) if is_bad else None,
    }
    row = (await connection.execute(REPORT, values)).one_or_none()
    return None if row is None else Told(row.id, row.is_news)


async def claim(connection: AsyncConnection, batch: int, lease_seconds: float) -> list[RowMapping]:
    """Lease up to `batch` due notifications for `lease_seconds`, the most urgent and then the oldest first."""
    parameters = {"batch": batch, "lease_seconds": lease_seconds}
    return list((await connection.execute(CLAIM, parameters)).mappings())


async def finish(connection: AsyncConnection, outcomes: list[Outcome]) -> set[UUID]:
    """Write back finished tries; returns the notifications whose lease was still ours."""
    rows = orjson.dumps([_as_row(outcome) for outcome in outcomes]).decode()
    return set((await connection.execute(FINISH, {"outcomes": rows})).scalars())


async def give_back(connection: AsyncConnection, batch: int) -> list[UUID]:
    """Return notifications whose lease has run out to the queue, or give up those that have had all their tries."""
    return list((await connection.execute(GIVE_BACK, {"batch": batch})).scalars())


async def health(connection: AsyncConnection, sample: int) -> QueueHealth:
    """How the queue is doing."""
    row = (await connection.execute(HEALTH, {"sample": sample})).mappings().one()
    return QueueHealth(
        waiting_seconds=float(row["waiting_seconds"] or 0),
        overdue_seconds=float(row["overdue_seconds"] or 0),
        unqueued=row["unqueued"],
        finished_in_queue=row["finished_in_queue"],
    )


def _as_row(outcome: Outcome) -> dict[str, Any]:
    content = outcome.content
    return {
        "id": str(outcome.id),
        "attempt": outcome.attempt,
        "attempt_id": str(outcome.attempt_id),
        "attempt_status": outcome.attempt_status.name,
        "next": outcome.next.name,
        "delay_seconds": outcome.delay.total_seconds(),
        "due_at": outcome.due_at and outcome.due_at.isoformat(),
        "deferred_reason": _storable(outcome.deferred_reason, 200),
        "response_time_ms": outcome.response_time_ms,
        "provider": outcome.provider,
        "provider_message_id": _storable(outcome.provider_message_id, 255),
        "status_code": outcome.status_code,
        "response": _storable(outcome.response, 2000),
        "error_code": outcome.error_code,
        "error_message": _storable(outcome.error_message, 2000),
        "subject": content and content.subject,
        "content": content and content.text,
        "html_content": content and content.html,
    }


def _storable(words: str | None, longest: int) -> str | None:
    """A provider's words as PostgreSQL can keep them: no NUL, no lone surrogate, not too long."""
    return words and words.encode(errors="replace").decode().replace("\0", "")[:longest]
