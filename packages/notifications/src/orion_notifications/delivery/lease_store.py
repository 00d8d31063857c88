"""Statements of workers: take messages, write back what became of them, take back what others have left behind.

Each step of a delivery is one statement: it moves the queue row, the record and the attempt together or not at all. So
these statements name `notifications` too (ARCHITECTURE, fence 2); to ask would be a round trip per message.

Times are the database's (`now()`): leases compare clocks of several machines otherwise. The driver sends them by
itself, and arrays are taken apart by `unnest`: SQLAlchemy and jsonb took longer than PostgreSQL over the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.ids import uuid7
from orion_core.statement import fetch
from orion_notifications.delivery.messages import Claimed, Outcome
from orion_notifications.delivery.store import storable
from orion_notifications.kinds import Category, Channel, Priority

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
LATEST_COMMIT = timedelta(seconds=1)
"""How long after its `due_at` a row may become visible and still be found at once, and not by the next look at all."""

# One index range for each channel and priority (ix_notification_queue_lane). In each lane URGENT first, which alone may
# take the slots that are reserved; then some of those that have waited longest, so that nothing starves; then by
# priority. PostgreSQL runs through the steps one after the other, and stops at the lane's limit. Rows that others hold
# are skipped.
#
# `since` spares the walk over index entries of rows that have left and that VACUUM may not remove, while somebody holds
# an old snapshot; without it a claim costs more with every message that was ever sent meanwhile.
#
# What has lost a lease before is not claimed with others: it may be what killed the worker, and another kill would be
# counted as a try of all that was claimed with it.
#
# By ctid, because a join on the key would be planned as a scan of the whole queue; the rows are locked, so they stay.
CLAIM = """
WITH lane AS (
  SELECT asked.*
  FROM unnest(
    CAST($1::text[] AS channel[]), $2::integer[], $3::integer[], $4::integer[],
    $5::timestamptz[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $12::integer[]
  ) AS asked (channel, room, ordinary, aged, urgent_since, high_since, normal_since, low_since, urgent)
  WHERE NOT EXISTS (SELECT FROM channel_pauses p WHERE p.channel = asked.channel)
), due AS (
  SELECT taken.row_id FROM lane CROSS JOIN LATERAL (
    SELECT found.row_id FROM (
      (
        SELECT urgent.row_id FROM (
          SELECT q.ctid AS row_id FROM notification_queue q
          WHERE q.channel = lane.channel AND q.priority = 'URGENT' AND q.lease_until IS NULL
            AND q.lost_leases = 0 AND q.due_at >= lane.urgent_since AND q.due_at <= now()
            AND (q.ordering_key IS NULL OR NOT EXISTS (
              SELECT FROM notification_queue earlier
              WHERE earlier.ordering_key = q.ordering_key AND earlier.notification_id < q.notification_id
            ))
          ORDER BY q.due_at LIMIT lane.urgent FOR UPDATE OF q SKIP LOCKED
        ) AS urgent
      ) UNION ALL (
        SELECT waiting.row_id
        FROM (VALUES
          ('LOW'::priority, lane.low_since, $9::interval, lane.aged),
          ('NORMAL', lane.normal_since, $9, lane.aged),
          ('HIGH', lane.high_since, interval '0', lane.ordinary),
          ('NORMAL', lane.normal_since, interval '0', lane.ordinary),
          ('LOW', lane.low_since, interval '0', lane.ordinary)
        ) AS step (priority, since, age, room)
        CROSS JOIN LATERAL (
          SELECT q.ctid AS row_id FROM notification_queue q
          WHERE q.channel = lane.channel AND q.priority = step.priority AND q.lease_until IS NULL
            AND q.lost_leases = 0 AND q.due_at >= step.since AND q.due_at <= now() - step.age
            AND (q.ordering_key IS NULL OR NOT EXISTS (
              SELECT FROM notification_queue earlier
              WHERE earlier.ordering_key = q.ordering_key AND earlier.notification_id < q.notification_id
            ))
          ORDER BY q.due_at LIMIT step.room FOR UPDATE OF q SKIP LOCKED
        ) AS waiting
        LIMIT lane.ordinary
      )
    ) AS found
    LIMIT lane.room
  ) AS taken
  UNION ALL
  SELECT lost.row_id FROM (
    SELECT q.ctid AS row_id FROM notification_queue q                      -- ix_notification_queue_lost
    WHERE q.lost_leases > 0 AND q.lease_until IS NULL AND q.due_at <= now()
      AND q.channel = ANY (ARRAY(SELECT channel FROM lane))
      AND (q.ordering_key IS NULL OR NOT EXISTS (
        SELECT FROM notification_queue earlier
        WHERE earlier.ordering_key = q.ordering_key AND earlier.notification_id < q.notification_id
      ))
    ORDER BY q.due_at LIMIT $11 FOR UPDATE OF q SKIP LOCKED
  ) AS lost
), leased AS (
  UPDATE notification_queue q
  SET leased_at = now(), lease_until = now() + $10::interval, attempt = q.attempt % 32767 + 1
  WHERE q.ctid = ANY (ARRAY(SELECT row_id FROM due)) AND q.lease_until IS NULL
  RETURNING q.notification_id, q.attempt, q.channel, q.priority, q.due_at, q.leased_at, q.ordering_key,
    q.lost_leases
)"""

# Not written as the partial indexes of `notifications` have it: a record is found by its key (pk_notifications). To the
# planner hardly any is waiting, and it would rather read all that are, and have been while somebody holds a snapshot.
IS_WAITING = "n.status::text IN ('QUEUED', 'PROCESSING')"

# Whose record has ended is handed over to nobody: its place in the queue goes when its lease is over (GIVE_BACK). None
# should be there; one that is must not keep back all that is claimed with it.
#
# Before anything is handed over to somebody who takes his time, the record says so.
STARTED = f""", started AS (
  UPDATE notifications n
  SET status = 'PROCESSING', processing_at = now(), next_attempt_at = NULL, updated_at = now()
  FROM leased WHERE n.id = leased.notification_id AND leased.channel <> ALL (CAST($13::text[] AS channel[]))
    AND {IS_WAITING}
)"""  # noqa: S608

CLAIMED = f"""
SELECT l.channel::text, n.category::text, l.priority::text, n.variables::text, n.id, l.attempt, n.attempts + 1,
  n.user_id, n.type, n.recipient, n.recipient_name, n.template_id, n.template_version, n.locale, n.timezone,
  n.subject, n.content, n.html_content, n.sealed_variables, n.max_attempts, n.expires_at, l.due_at, l.leased_at,
  l.ordering_key, l.lost_leases, n.batch_id
FROM leased l JOIN notifications n ON n.id = l.notification_id
WHERE {IS_WAITING}
"""  # noqa: S608

CLAIM_AT_ONCE = CLAIM + CLAIMED
CLAIM_ALL = CLAIM + STARTED + CLAIMED

# The fence is the pair of attempt and lease: whoever lost the lease finds no row, and writes nothing. What is handed on
# by RETURNING needs no join. Of an ordering key the next one's time has come: it may have been passed over long ago.
FINISH = """
WITH outcome AS MATERIALIZED (
  SELECT * FROM unnest(
    $1::uuid[], $2::smallint[], $3::text[], CAST($4::text[] AS notification_status[]), $5::float8[],
    $6::timestamptz[], $7::text[], $8::integer[], $9::text[], $10::text[], $11::integer[], $12::text[], $13::text[],
    $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::uuid[]
  ) AS o (
    id, attempt, tried, next, delay_seconds, due_at, deferred_reason, response_time_ms, provider, provider_message_id,
    status_code, response, error_code, error_message, subject, content, html_content, next_key, attempt_id
  )
), retried AS (
  UPDATE notification_queue q
  SET lease_until = NULL, lost_leases = 0,
    due_at = coalesce(o.due_at, now() + make_interval(secs => coalesce(o.delay_seconds, 0)))
  FROM outcome o
  WHERE q.notification_id = o.id AND q.attempt = o.attempt AND o.next = 'QUEUED'
    AND coalesce(q.lease_until, '-infinity') > '-infinity'
  RETURNING o.*, q.due_at AS again_at, q.leased_at
), finished AS (
  DELETE FROM notification_queue q USING outcome o
  WHERE q.notification_id = o.id AND q.attempt = o.attempt AND o.next <> 'QUEUED'
    AND coalesce(q.lease_until, '-infinity') > '-infinity'
  RETURNING o.*, CAST(NULL AS timestamptz) AS again_at, q.leased_at
), held AS MATERIALIZED (
  SELECT * FROM retried UNION ALL SELECT * FROM finished
), attempted AS (
  INSERT INTO delivery_attempts (
    id, notification_id, attempt_number, status, provider, provider_message_id, status_code, response_time_ms,
    response, error_code, error_message, attempted_at, completed_at
  )
  SELECT attempt_id, id, attempt, CAST(tried AS attempt_status), provider, provider_message_id, status_code,
    response_time_ms, response, error_code, error_message, leased_at, now()
  FROM held WHERE tried IS NOT NULL
), called AS (
  UPDATE notification_queue q SET due_at = greatest(q.due_at, now() - interval '0.5 s')
  FROM finished f
  WHERE f.next_key IS NOT NULL AND q.lease_until IS NULL AND q.due_at < now() AND q.notification_id = (
    SELECT following.notification_id FROM notification_queue following
    WHERE following.ordering_key = f.next_key AND following.notification_id > f.id
    ORDER BY following.notification_id LIMIT 1                              -- ix_notification_queue_ordering_key
  )
)
UPDATE notifications n
SET status = h.next, next_attempt_at = h.again_at, deferred_reason = h.deferred_reason,
  attempts = CASE WHEN h.tried <> 'NOT_TRIED' THEN least(n.attempts + 1, n.max_attempts) ELSE n.attempts END,
  processing_at = coalesce(h.leased_at, n.processing_at),
  sent_at = CASE WHEN h.next IN ('SENT', 'DELIVERED') THEN now() END,
  delivered_at = CASE WHEN h.next = 'DELIVERED' THEN now() END,
  failed_at = CASE WHEN h.next IN ('FAILED', 'BOUNCED') THEN now() END,
  cancelled_at = CASE WHEN h.next = 'CANCELLED' THEN now() END,
  provider = coalesce(h.provider, n.provider), provider_message_id = h.provider_message_id,
  provider_response = CASE WHEN h.response IS NOT NULL
    THEN jsonb_build_object('status_code', h.status_code, 'response', h.response) END,
  error_code = h.error_code, error_message = h.error_message,
  subject = coalesce(h.subject, n.subject), content = coalesce(h.content, n.content),
  html_content = coalesce(h.html_content, n.html_content),
  sealed_variables = CASE WHEN h.next = 'QUEUED' THEN n.sealed_variables END,
  updated_at = now()
FROM held h
WHERE n.id = h.id
RETURNING n.id
"""

# ix_notification_queue_leased. A try that was under way has an attempt of its own only if an older worker began it.
GIVE_BACK = f"""
WITH found AS MATERIALIZED (
  SELECT notification_id, attempt, leased_at FROM notification_queue
  WHERE lease_until < now() ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED
), overdue AS MATERIALIZED (
  SELECT f.* FROM found f JOIN notifications n ON n.id = f.notification_id
  WHERE {IS_WAITING}
), over AS (
  DELETE FROM notification_queue q USING found f
  WHERE q.notification_id = f.notification_id
    AND NOT EXISTS (SELECT FROM overdue o WHERE o.notification_id = f.notification_id)
  RETURNING q.notification_id
), ended AS (
  UPDATE delivery_attempts a
  SET status = 'UNKNOWN', completed_at = now(), error_code = 'lease_expired',
    error_message = 'the worker did not report back; the message may have left'
  FROM overdue o
  WHERE a.notification_id = o.notification_id AND a.attempt_number = o.attempt AND a.status = 'PENDING'
  RETURNING a.notification_id
), unknown AS (
  INSERT INTO delivery_attempts (
    notification_id, attempt_number, status, error_code, error_message, attempted_at, completed_at
  )
  SELECT notification_id, attempt, 'UNKNOWN', 'lease_expired',
    'the worker did not report back; the message may have left', least(leased_at, now()), now()
  FROM overdue WHERE leased_at IS NOT NULL
), returned AS (
  UPDATE notifications n
  SET status = CASE WHEN n.attempts + 1 < n.max_attempts THEN 'QUEUED' ELSE 'FAILED' END::notification_status,
    attempts = least(n.attempts + 1, n.max_attempts),
    next_attempt_at = CASE WHEN n.attempts + 1 < n.max_attempts THEN now() END,
    failed_at = CASE WHEN n.attempts + 1 >= n.max_attempts THEN now() END,
    error_code = 'lease_expired', error_message = 'the worker did not report back; the message may have left',
    sealed_variables = CASE WHEN n.attempts + 1 < n.max_attempts THEN n.sealed_variables END, updated_at = now()
  FROM overdue o WHERE n.id = o.notification_id AND {IS_WAITING}
  RETURNING n.id, n.status
), again AS (
  UPDATE notification_queue q SET lease_until = NULL, leased_at = NULL, due_at = now(),
    lost_leases = q.lost_leases % 32767 + 1
  FROM returned r WHERE q.notification_id = r.id AND r.status = 'QUEUED'
), given_up AS (
  DELETE FROM notification_queue q USING returned r WHERE q.notification_id = r.id AND r.status = 'FAILED'
)
SELECT id FROM returned UNION ALL SELECT notification_id FROM over
"""  # noqa: S608

# Whoever queued it did not name its channel: the version before this one, during a deploy. NULL is found by
# ix_notification_queue_lane too.
ADOPT = """
UPDATE notification_queue q SET channel = n.channel FROM notifications n
WHERE n.id = q.notification_id AND q.notification_id = ANY (ARRAY(
  SELECT notification_id FROM notification_queue
  WHERE channel IS NULL AND lease_until IS NULL AND lost_leases = 0 LIMIT $1 FOR UPDATE SKIP LOCKED
))
RETURNING q.notification_id
"""


@dataclass
class Ask:
    """How many messages of a channel there is room for."""

    channel: Channel
    room: int
    urgent: int
    """Of these, how many may be URGENT."""
    ordinary: int
    """Of these, how many may be of another priority."""
    aged: int = 0
    """Of these, how many of each lower priority go first if they have waited for long."""
    since: dict[Priority, datetime] = field(default_factory=dict[Priority, datetime])
    """Nothing that is due earlier is looked for."""


async def claim(
    connection: AsyncConnection,
    asks: Sequence[Ask],
    lease: timedelta,
    ageing: timedelta,
    *,
    at_once: Sequence[Channel],
    lost: int,
) -> list[Claimed]:
    """Lease due notifications, of each channel the most urgent and then the oldest first.

    Besides, `lost` of those whose worker did not come back, whatever their channel: they come in no other way.

    Those of the channels `at_once` stay QUEUED in the record until they are finished; of the others it says PROCESSING.
    """
    arguments: list[Any] = [
        [ask.channel.name for ask in asks],
        [ask.room for ask in asks],
        [ask.ordinary for ask in asks],
        [ask.aged for ask in asks],
        *(
            [ask.since.get(priority, LONG_AGO) for ask in asks]
            for priority in (Priority.URGENT, Priority.HIGH, Priority.NORMAL, Priority.LOW)
        ),
        ageing,
        lease,
        lost,
        [ask.urgent for ask in asks],
    ]
    if all(ask.channel in at_once for ask in asks):
        records = await fetch(connection, CLAIM_AT_ONCE, arguments)
    else:
        records = await fetch(connection, CLAIM_ALL, [*arguments, [channel.name for channel in at_once]])
    return [_claimed(record) for record in records]


async def finish(connection: AsyncConnection, outcomes: Sequence[Outcome]) -> set[UUID]:
    """Write back finished tries; returns the notifications whose lease was still ours."""
    (
        ids, attempts, tried, following, delays, due, reasons, times, providers, message_ids, status_codes, responses,
        error_codes, error_messages, contents, keys,
    ) = zip(*outcomes, strict=True)  # fmt: skip
    arguments = [
        ids,
        attempts,
        [status and status.name for status in tried],
        [status.name for status in following],
        _column(delays),
        _column(due),
        _column(reasons, 200),
        _column(times),
        _column(providers),
        _column(message_ids, 255),
        _column(status_codes),
        _column(responses, 2000),
        _column(error_codes),
        _column(error_messages, 2000),
        _column([content and content.subject for content in contents]),
        _column([content and content.text for content in contents]),
        _column([content and content.html for content in contents]),
        _column(keys),
        [uuid7() for _ in ids],
    ]
    return {record[0] for record in await fetch(connection, FINISH, arguments)}


def _column(values: Sequence[Any], longest: int | None = None) -> Sequence[Any] | None:
    """The values of a column; None, of which `unnest` makes NULLs, when there is none: most columns are empty."""
    if not any(value is not None for value in values):
        return None
    return values if longest is None else [storable(value, longest) for value in values]


async def give_back(connection: AsyncConnection, batch: int) -> list[UUID]:
    """Return notifications whose lease has run out to the queue, or give up those that have had all their tries.

    What has ended otherwise loses its place; it is among what is returned.
    """
    return [record[0] for record in await fetch(connection, GIVE_BACK, [batch])]


async def adopt(connection: AsyncConnection, batch: int) -> int:
    """Look up the channel of those that were queued without it; how many there were."""
    return len(await fetch(connection, ADOPT, [batch]))


_CHANNELS = dict(Channel.__members__)
_CATEGORIES = dict(Category.__members__)
_PRIORITIES = dict(Priority.__members__)


def _claimed(record: Any) -> Claimed:
    channel, category, priority, variables, *others = record.values()
    return Claimed(_CHANNELS[channel], _CATEGORIES[category], _PRIORITIES[priority], _read(variables), *others)


def _read(variables: str) -> dict[str, Any] | None:
    """The variables; None where they are more than can be read, such as a number of hundreds of digits."""
    try:
        return orjson.loads(variables)
    except orjson.JSONDecodeError:
        return None
