"""Counting a try under a rate limit, as one part of an SQL statement: written once, for limits and for refreshes."""

_COUNT = """
    INSERT INTO rate_limits AS counter (key, key_type, endpoint, "limit", window_seconds, count, passes, reset_at)
    SELECT
      {key}, policy.key_type, policy.endpoint, policy."limit", policy.window_seconds, 1, ARRAY[moment.now],
      date_bin(make_interval(secs => policy.window_seconds), moment.now, 'epoch')
        + 2 * make_interval(secs => policy.window_seconds)
    FROM {sources} CROSS JOIN rate_limit_policies AS policy     -- uq_rate_limit_policies_endpoint_key_type
    WHERE {condition}
    ORDER BY 1                                                  -- so that none waits for one that waits for it
    ON CONFLICT (key) DO UPDATE SET                             -- uq_rate_limits_key
      ("limit", window_seconds, passes, count, reset_at, blocked_until) = (
        SELECT
          excluded."limit",
          excluded.window_seconds,
          CASE WHEN room.fits THEN kept.passes || moment.now ELSE kept.passes END,
          CASE WHEN room.fits THEN cardinality(kept.passes) + 1 ELSE excluded."limit" + 1 END,
          CASE WHEN room.fits THEN greatest(counter.reset_at, excluded.reset_at) ELSE counter.reset_at END,
          CASE WHEN room.fits THEN NULL WHEN block.holds THEN counter.blocked_until ELSE block.next END
        FROM moment
        CROSS JOIN LATERAL (
          SELECT ARRAY(
            SELECT pass FROM unnest(counter.passes) AS pass
            WHERE pass > moment.now - make_interval(secs => excluded.window_seconds)
            ORDER BY pass
          ) AS passes
        ) AS kept
        CROSS JOIN LATERAL (
          SELECT
            counter.blocked_until IS NOT NULL AND counter.blocked_until > moment.now AS holds,
            (
              SELECT moment.now + make_interval(secs => policy.block_seconds)
              FROM rate_limit_policies AS policy
              WHERE policy.endpoint = excluded.endpoint AND policy.key_type = excluded.key_type
                AND policy.block_seconds > 0
            ) AS next
        ) AS block
        CROSS JOIN LATERAL (
          SELECT NOT block.holds AND cardinality(kept.passes) < excluded."limit" AS fits
        ) AS room
      )
    RETURNING
      key, endpoint, "limit", window_seconds, count, count <= "limit" AS has_passed,
      greatest(
        blocked_until,
        passes[greatest(1, cardinality(passes) - "limit" + 1)] + make_interval(secs => window_seconds)
      ) AS ends_at
"""


def counting(key: str, condition: str, *, sources: str = "moment") -> str:
    """The INSERT that counts a try under `key`, by the policy that `condition` names; no row when there is none.

    For a CTE of a statement that has a CTE `moment (now)`; `sources` are that and what `key` reads. The lock on the
    counter's row makes tries at the same moment take turns, so the count is exact. The arguments are SQL of ours.
    """
    return _COUNT.format(key=key, condition=condition, sources=sources)
