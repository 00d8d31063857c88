"""Statements of numbers.

Messages are counted where they are, in `notifications` and `delivery_attempts` (ARCHITECTURE, fence 2): who accepts and
who sends writes nothing for it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_notifications.numbers.rules import BOUNDS, COUNTS, LATE, Span

BEGIN = text("""
INSERT INTO numbers_progress (single, counted_until)
SELECT true, coalesce((SELECT queued_at FROM notifications ORDER BY id LIMIT 1), now())   -- pk_notifications
WHERE NOT EXISTS (SELECT FROM numbers_progress)
ON CONFLICT DO NOTHING
""")

HOLD = text("SELECT counted_until, now() AS now FROM numbers_progress FOR UPDATE SKIP LOCKED")

CLEAR = text("""
DELETE FROM notification_numbers
WHERE begins_at >= :begins_at AND begins_at < :ends_at       -- uq_notification_numbers_kind
""")

# Each part reads what happened in the span and no more. An attempt's id is of about the moment when it was written, so
# what was sent is found by pk_delivery_attempts, each record by pk_notifications of one month: a hash join would read
# all months. Neither who accepts nor who sends keeps an index for this; only ends by a provider's report, and bad ends,
# stand in one.
#
# How soon messages leave is told of those that were to go at once: by no judgement was it put off.
COUNT = text(f"""
INSERT INTO notification_numbers (begins_at, channel, category, provider, template_id, {", ".join(COUNTS)}, latency)
SELECT begins_at, channel, category, provider, template_id,
  {", ".join(f"coalesce(sum(number) FILTER (WHERE '{name}' = ANY (what)), 0)" for name in COUNTS)},
  ARRAY[{", ".join(f"coalesce(sum(number) FILTER (WHERE class = {at}), 0)" for at in range(len(BOUNDS) + 1))}]
FROM (
  SELECT date_bin('15 min', queued_at, '2000-01-01Z') AS begins_at, channel, category,
    NULL AS provider, template_id, ARRAY['accepted'] AS what, CAST(NULL AS integer) AS class, count(*) AS number
  FROM notifications
  WHERE id >= uuidv7_floor(CAST(:ids_from AS timestamptz)) AND id < uuidv7_floor(CAST(:ids_until AS timestamptz))
    AND queued_at >= :begins_at AND queued_at < :ends_at                                  -- pk_notifications
  GROUP BY 1, 2, 3, 4, 5

  UNION ALL
  SELECT date_bin('15 min', n.sent_at, '2000-01-01Z'), n.channel, n.category, n.provider, n.template_id,
    CASE WHEN n.delivered_at = n.sent_at THEN ARRAY['sent', 'delivered'] ELSE ARRAY['sent'] END,
    CASE WHEN (n.decisions @? '$[*] ? (@.outcome != "SEND")') IS NOT TRUE THEN
      width_bucket(CAST(extract(epoch FROM n.sent_at - n.queued_at) AS float8), CAST(:bounds AS float8[]))
    END,
    count(*)
  FROM delivery_attempts a JOIN notifications n ON n.id = a.notification_id
  WHERE a.id >= uuidv7_floor(CAST(:ids_from AS timestamptz)) AND a.id < uuidv7_floor(CAST(:ids_until AS timestamptz))
    AND a.status = 'SUCCESS' AND n.sent_at >= :begins_at AND n.sent_at < :ends_at         -- pk_delivery_attempts
  GROUP BY 1, 2, 3, 4, 5, 6, 7

  UNION ALL
  SELECT date_bin('15 min', delivered_at, '2000-01-01Z'), channel, category, provider, template_id,
    ARRAY['delivered'], NULL, count(*)
  FROM notifications
  WHERE delivered_at <> sent_at
    AND delivered_at >= :begins_at AND delivered_at < :ends_at                            -- ix_notifications_reported
  GROUP BY 1, 2, 3, 4, 5

  UNION ALL
  SELECT date_bin('15 min', ended_at, '2000-01-01Z'), channel, category, provider, template_id,
    ARRAY[lower(CAST(status AS text))], NULL, count(*)
  FROM (
    SELECT coalesce(failed_at, cancelled_at, processing_at, queued_at) AS ended_at, status, channel, category,
      provider, template_id
    FROM notifications
    WHERE status IN ('FAILED', 'BOUNCED', 'REJECTED', 'CANCELLED', 'EXPIRED')             -- ix_notifications_ended
  ) AS ended
  WHERE ended_at >= :begins_at AND ended_at < :ends_at
  GROUP BY 1, 2, 3, 4, 5, 6

  UNION ALL
  SELECT date_bin('15 min', e.occurred_at, '2000-01-01Z'), n.channel, n.category, n.provider, n.template_id,
    ARRAY[CASE e.kind WHEN 'OPEN' THEN 'opened' ELSE 'clicked' END], NULL, count(*)
  FROM engagements e JOIN notifications n ON n.id = e.notification_id
  WHERE e.id >= uuidv7_floor(CAST(:ids_from AS timestamptz)) AND e.id < uuidv7_floor(CAST(:ids_until AS timestamptz))
    AND e.machine IS NULL AND e.occurred_at >= :begins_at AND e.occurred_at < :ends_at    -- pk_engagements
    AND NOT EXISTS (
      SELECT FROM engagements earlier                                           -- ix_engagements_notification_id
      WHERE earlier.notification_id = e.notification_id AND earlier.kind = e.kind AND earlier.machine IS NULL
        AND earlier.id < e.id
    )
  GROUP BY 1, 2, 3, 4, 5, 6
) AS counted
GROUP BY 1, 2, 3, 4, 5
""")  # noqa: S608

SETTLE = text("""
SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
  set_config('jit', 'off', true)
""")

ADVANCE = text("UPDATE numbers_progress SET counted_until = :ends_at")


async def hold(connection: AsyncConnection) -> tuple[datetime, datetime] | None:
    """Up to when all is counted, and the database's time; nobody else counts until the commit. None: somebody does."""
    await connection.execute(BEGIN)
    row = (await connection.execute(HOLD)).one_or_none()
    return None if row is None else (row.counted_until, row.now)


async def count(connection: AsyncConnection, span: Span) -> None:
    """Count anew what happened in a span, which begins with a quarter."""
    within = {"begins_at": span.begins_at, "ends_at": span.ends_at}
    await connection.execute(SETTLE)
    await connection.execute(CLEAR, within)
    values = {"bounds": list(BOUNDS), "ids_from": span.begins_at - LATE, "ids_until": span.ends_at + LATE}
    await connection.execute(COUNT, within | values)
    await connection.execute(ADVANCE, {"ends_at": span.ends_at})


async def counted_until(connection: AsyncConnection) -> datetime | None:
    """Up to when all is counted."""
    return (await connection.execute(text("SELECT counted_until FROM numbers_progress"))).scalar_one_or_none()


async def series(connection: AsyncConnection, span: Span, grain: str, by: Sequence[str]) -> Sequence[RowMapping]:
    """The counts of each point and group that has any (uq_notification_numbers_kind)."""
    keys = ["at", *by]
    classes = ", ".join(f"sum(latency[{number}])" for number in range(1, len(BOUNDS) + 2))
    columns: list[str] = [
        "date_trunc(:grain, begins_at, 'UTC') AS at",
        *(f"{name}::text AS {name}" if name in ("channel", "category") else name for name in by),
        *(f"sum({name}) AS {name}" for name in COUNTS),
        f"ARRAY[{classes}]::bigint[] AS latency",
    ]
    statement = f"""
SELECT {", ".join(columns)}
FROM notification_numbers
WHERE begins_at >= :begins_at AND begins_at < :ends_at
GROUP BY {", ".join(str(number + 1) for number in range(len(keys)))}
ORDER BY 1
"""  # noqa: S608
    values: dict[str, Any] = {"grain": grain, "begins_at": span.begins_at, "ends_at": span.ends_at}
    return (await connection.execute(text(statement), values)).mappings().all()
