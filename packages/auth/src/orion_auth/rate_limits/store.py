"""The statements of rate limits."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, bindparam, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.counting import counting
from orion_auth.rate_limits.rules import Limit, RateLimitKeyType
from orion_auth.rate_limits.tables import RateLimit, RateLimitPolicy
from orion_core.statement import Statement

_POLICY_OF_STEP = "policy.endpoint = :endpoint_{n} AND policy.key_type = CAST(:key_type_{n} AS rate_limit_key_type)"
_REFUSED = "EXISTS (SELECT FROM step_{n} WHERE NOT has_passed)"
_FOUND = "SELECT {n} AS step, * FROM step_{n}"


@cache
def _take(steps: int, of_refusals: int) -> Statement:
    """Every limit in turn, the narrowest first; one that refuses keeps those after it from counting the try.

    The last few, `of_refusals`, count only a try that one of the others has refused. All tries at one thing lock its
    counters in the same order, so none waits for one that waits for it.
    """
    written = ["moment AS (SELECT CAST(:now AS timestamptz) AS now)"]
    for n in range(steps + of_refusals):
        conditions = [_POLICY_OF_STEP.format(n=n)]
        if n >= steps:
            conditions.append(f"({' OR '.join(_REFUSED.format(n=before) for before in range(steps))})")
        conditions += [f"NOT {_REFUSED.format(n=before)}" for before in range(0 if n < steps else steps, n)]
        written.append(f"step_{n} AS ({counting(f':key_{n}', ' AND '.join(conditions))})")
    found = " UNION ALL ".join(_FOUND.format(n=n) for n in range(steps + of_refusals))
    return Statement(text(f"WITH {', '.join(written)} {found}"))


async def take(
    connection: AsyncConnection, limits: Sequence[Limit], now: datetime, of_refusals: Sequence[Limit] = ()
) -> Sequence[AnyRow]:
    """Count one try under each of the limits that has a policy; a row for each that has counted it or refused it.

    If one refused it, the refusal is counted under those `of_refusals` likewise; their rows come last.
    """
    values: dict[str, Any] = {"now": now}
    for n, limit in enumerate([*limits, *of_refusals]):
        values |= {f"key_{n}": limit.key, f"endpoint_{n}": limit.endpoint, f"key_type_{n}": limit.key_type.name}
    rows = await _take(len(limits), len(of_refusals)).all(connection, values)
    return sorted(rows, key=lambda row: row.step)


GIVE_BACK = Statement(
    text("""
    WITH held AS (
      SELECT id FROM rate_limits
      WHERE key = ANY(:keys) AND cardinality(passes) > 0           -- uq_rate_limits_key
      ORDER BY array_position(:keys, CAST(key AS text))
      FOR UPDATE
    )
    UPDATE rate_limits SET passes = trim_array(passes, 1), count = cardinality(passes) - 1
    WHERE id IN (SELECT id FROM held)                              -- pk_rate_limits
""").bindparams(bindparam("keys", type_=ARRAY(Text)))
)
"""Takes the youngest pass from each of these counters, locking them in the order in which they are taken."""

_REFUSES = """(
        blocked_until > :now
        OR cardinality(passes) >= "limit"
          AND passes[cardinality(passes) - "limit" + 1] + make_interval(secs => window_seconds) > :now
      )"""
"""Whether a counter refuses the next try."""

_REFUSING = text(f"""
    SELECT
      id, endpoint, key_type, key, "limit", window_seconds,
      greatest(
        blocked_until, passes[greatest(1, cardinality(passes) - "limit" + 1)] + make_interval(secs => window_seconds)
      ) AS ends_at
    FROM rate_limits
    WHERE id > :after                                              -- pk_rate_limits
      AND {_REFUSES}
      AND (CAST(:whose AS text) IS NULL OR strpos(key, :whose) > 0)
    ORDER BY id
    LIMIT :limit
""")  # noqa: S608
"""Reads the table along its key: it holds what was tried within the last hours, and nobody asks for it often."""


async def refusing(
    connection: AsyncConnection, now: datetime, whose: str | None, after: UUID, limit: int
) -> Sequence[AnyRow]:
    """Counters under which the next try would be refused."""
    values = {"now": now, "whose": whose, "after": after, "limit": limit}
    return (await connection.execute(_REFUSING, values)).all()


_REFUSING_AMONG = f"""
    SELECT id
    FROM rate_limits
    WHERE ({{either}})                                               -- uq_rate_limits_key
      AND {_REFUSES}
    ORDER BY id
"""  # noqa: S608


async def refusing_among(
    connection: AsyncConnection, whole: Sequence[str], begun: Sequence[str], now: datetime
) -> Sequence[UUID]:
    """Counters with these keys, or with keys that begin so, under which the next try would be refused.

    Each is looked for along uq_rate_limits_key, beginnings too where the database sorts by code points ("C").
    """
    starts = {f"begun_{n}": start for n, start in enumerate(begun)}
    either = " OR ".join(["key = ANY(:whole)", *(f"key ^@ CAST(:{name} AS text)" for name in starts)])
    statement = text(_REFUSING_AMONG.format(either=either))
    values = {"now": now, "whole": list(whole), **starts}
    return (await connection.execute(statement, values)).scalars().all()


async def delete_counter(connection: AsyncConnection, counter_id: UUID) -> AnyRow | None:
    """Forget what was counted (pk_rate_limits); what was forgotten, or None when it was not there."""
    statement = delete(RateLimit).where(RateLimit.id == counter_id).returning(RateLimit.endpoint, RateLimit.key)
    return (await connection.execute(statement)).one_or_none()


_POLICY = (
    RateLimitPolicy.endpoint,
    RateLimitPolicy.key_type,
    RateLimitPolicy.limit,
    RateLimitPolicy.window_seconds,
    RateLimitPolicy.block_seconds,
)


def _is_policy(endpoint: str, key_type: RateLimitKeyType) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return RateLimitPolicy.endpoint == endpoint, RateLimitPolicy.key_type == key_type


async def list_policies(connection: AsyncConnection) -> Sequence[AnyRow]:
    """Every policy: a few dozen (uq_rate_limit_policies_endpoint_key_type)."""
    statement = select(*_POLICY).order_by(RateLimitPolicy.endpoint, RateLimitPolicy.key_type)
    return (await connection.execute(statement)).all()


async def find_policy(
    connection: AsyncConnection, endpoint: str, key_type: RateLimitKeyType, *, hold: bool = False
) -> AnyRow | None:
    """One policy, kept from changing until the transaction ends if asked (uq_rate_limit_policies_endpoint_key_type)."""
    statement = select(*_POLICY).where(*_is_policy(endpoint, key_type))
    return (await connection.execute(statement.with_for_update() if hold else statement)).one_or_none()


async def insert_policy(connection: AsyncConnection, values: dict[str, Any]) -> bool:
    """Add a policy; False when somebody else has just done so (uq_rate_limit_policies_endpoint_key_type)."""
    statement = upsert(RateLimitPolicy).values(values).on_conflict_do_nothing().returning(RateLimitPolicy.id)
    return (await connection.execute(statement)).one_or_none() is not None


async def update_policy(
    connection: AsyncConnection, endpoint: str, key_type: RateLimitKeyType, values: dict[str, Any]
) -> None:
    """Change a policy (uq_rate_limit_policies_endpoint_key_type)."""
    await connection.execute(update(RateLimitPolicy).where(*_is_policy(endpoint, key_type)).values(values))


async def delete_policy(connection: AsyncConnection, endpoint: str, key_type: RateLimitKeyType) -> None:
    """Remove a policy: nothing limits its endpoint by that key any more (uq_rate_limit_policies_endpoint_key_type)."""
    await connection.execute(delete(RateLimitPolicy).where(*_is_policy(endpoint, key_type)))
