"""What it costs to count what has become of a million messages. Prints JSON.

    python bench/counting.py [MESSAGES]

The messages have been accepted and sent in the last hour, evenly; a fiftieth has failed, a tenth was reported as
delivered later. `open` counts what a service counts every minute then: the last quarter of an hour and the one before.
`hour` counts the whole hour, as whoever was away for that long. On an embedded PostgreSQL with its default settings.
"""

import asyncio
import json
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg

from orion_core.database import Database
from orion_core.local.postgres import start
from orion_core.service import installed_services, service_role
from orion_db import Target, initialize
from orion_notifications.numbers import store
from orion_notifications.numbers.rules import QUARTER, Span, floor

FILL = """
WITH told AS (
  INSERT INTO notifications (
    id, type, category, channel, recipient, subject, content, status, provider, queued_at, processing_at, sent_at,
    delivered_at, failed_at, error_code, decisions
  )
  SELECT overlay(gen_random_uuid()::text PLACING left(uuidv7_floor(at)::text, 14) FROM 1 FOR 14)::uuid, 'order.shipped',
    'ACCOUNT', (enum_range(NULL::channel))[1 + n % 3], 'a@b.example', 'Hello', repeat('Your order is on its way. ', 20),
    CASE WHEN n % 50 = 0 THEN 'FAILED' WHEN n % 10 = 1 THEN 'DELIVERED' ELSE 'SENT' END::notification_status,
    'smtp', at, at, CASE WHEN n % 50 > 0 THEN at + latency END,
    CASE WHEN n % 10 = 1 THEN at + latency + interval '2 s' END, CASE WHEN n % 50 = 0 THEN at + latency END,
    CASE WHEN n % 50 = 0 THEN 'smtp_550' END,
    jsonb_build_array(jsonb_build_object('at', at, 'by', 'acceptance', 'outcome', 'SEND', 'until', null, 'steps',
      jsonb_build_array(jsonb_build_array('recipient', 'pass', 'address_known', '{"channel": "EMAIL"}'::jsonb))))
  FROM generate_series($1::int, $2::int) AS n,
    LATERAL (SELECT $3::timestamptz + n * $4::interval, random() * interval '2 s') AS m (at, latency)
  RETURNING id, provider, processing_at, coalesce(sent_at, failed_at) AS tried_at, status
)
INSERT INTO delivery_attempts (id, notification_id, attempt_number, status, provider, attempted_at, completed_at)
SELECT overlay(gen_random_uuid()::text PLACING left(uuidv7_floor(tried_at)::text, 14) FROM 1 FOR 14)::uuid, id, 1,
  CASE WHEN status = 'FAILED' THEN 'FAILURE' ELSE 'SUCCESS' END::attempt_status, provider, processing_at, tried_at
FROM told ORDER BY tried_at
"""


async def main(messages: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = start(Path(folder) / "postgres", durable=True)
        try:
            url = f"{server.admin_url.rpartition('/')[0]}/orion_notifications"
            await initialize(Target(installed_services()["notifications"], url, url), seeds=False)
            return await measure(url, messages)
        finally:
            server.stop("immediate")


async def measure(url: str, messages: int) -> dict[str, Any]:
    """Fill, and count."""
    connection = await asyncpg.connect(url)
    now = await connection.fetchval("SELECT now()")
    first = now - timedelta(hours=1)
    for number in range(1, messages + 1, 50_000):
        last = min(number + 49_999, messages)
        await connection.execute(FILL, number, last, first, timedelta(hours=1) / messages)
    await connection.execute("VACUUM ANALYZE notifications, delivery_attempts")
    await connection.close()
    database = Database.connect(url, role=service_role("notifications"), application="bench", pool_size=1)
    try:
        open_ = Span(floor(now, QUARTER) - QUARTER, now)
        hour = Span(floor(first, QUARTER), now)
        seconds = {name: await count(database, span) for name, span in (("open", open_), ("hour", hour))}
        return {"messages": messages, "open_minutes": (now - open_.begins_at).total_seconds() / 60, "seconds": seconds}
    finally:
        await database.close()


async def count(database: Database, span: Span) -> list[float]:
    """The seconds that each of three counts takes."""
    took: list[float] = []
    for _ in range(3):
        began = time.perf_counter()
        async with database.transaction() as transaction:
            await store.hold(transaction.connection)
            await store.count(transaction.connection, span)
        took.append(round(time.perf_counter() - began, 2))
    return took


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)), indent=2))
