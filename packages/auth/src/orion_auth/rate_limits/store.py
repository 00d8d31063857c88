"""The one statement of rate limits."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.rate_limits.rules import RateLimitKeyType

_COUNT = text("""
    INSERT INTO rate_limits AS counter (id, key, key_type, endpoint, "limit", window_seconds, count, reset_at)
    SELECT
      :id, :key, policy.key_type, policy.endpoint, policy."limit", policy.window_seconds,
      1, CAST(:now AS timestamptz) + make_interval(secs => policy.window_seconds)
    FROM rate_limit_policies AS policy                          -- uq_rate_limit_policies_endpoint_key_type
    WHERE policy.endpoint = :endpoint AND policy.key_type = CAST(:key_type AS rate_limit_key_type)
    ON CONFLICT (key) DO UPDATE SET
      "limit" = excluded."limit",
      window_seconds = excluded.window_seconds,
      count = CASE
        WHEN greatest(counter.reset_at, counter.blocked_until) <= :now THEN 1
        ELSE least(counter.count + 1, excluded."limit" + 1)
      END,
      reset_at = CASE
        WHEN greatest(counter.reset_at, counter.blocked_until) <= :now THEN excluded.reset_at
        ELSE counter.reset_at
      END,
      blocked_until = CASE
        WHEN greatest(counter.reset_at, counter.blocked_until) <= :now THEN NULL
        WHEN counter.count = excluded."limit" THEN (
          SELECT CAST(:now AS timestamptz) + make_interval(secs => policy.block_seconds)
          FROM rate_limit_policies AS policy
          WHERE policy.endpoint = excluded.endpoint AND policy.key_type = excluded.key_type
            AND policy.block_seconds > 0
        )
        ELSE counter.blocked_until
      END
    RETURNING "limit", window_seconds, count, greatest(reset_at, blocked_until) AS ends_at
""")
"""A fixed window in one statement: the row's lock makes tries at the same moment take turns, so the count is exact.

The first try over the limit sets `blocked_until` where the policy has a block; a policy that an administrator edits
holds from the next try on.
"""


async def count(
    connection: AsyncConnection, counter_id: UUID, key: str, endpoint: str, key_type: RateLimitKeyType, now: datetime
) -> AnyRow | None:
    """Count one try under a key (uq_rate_limits_key); None when there is no policy."""
    values = {"id": counter_id, "key": key, "endpoint": endpoint, "key_type": key_type.name, "now": now}
    return (await connection.execute(_COUNT, values)).one_or_none()
