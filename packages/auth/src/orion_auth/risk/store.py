"""The statements of risk."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.risk.tables import RiskPolicy
from orion_core.ids import uuid7_floor
from orion_core.networks import network_in_sql
from orion_core.statement import Statement

_SIGNALS = """
    WITH came AS MATERIALIZED (
      SELECT attempted_at, country, location
      FROM login_attempts                                 -- ix_login_attempts_user_id_attempted_at
      WHERE user_id = :user_id AND attempted_at <= :now AND status IN ('SUCCESS', 'SUSPICIOUS')
      ORDER BY attempted_at DESC
      LIMIT 100
    ),
    failed AS (
      SELECT 1
      FROM login_attempts                                 -- ix_login_attempts_user_id_attempted_at
      WHERE user_id = :user_id AND status = 'FAILED'
        AND attempted_at > CAST(:now AS timestamptz) - interval '1 hour' AND attempted_at <= :now
      LIMIT 100
    ),
    here AS MATERIALIZED (
      SELECT attempted_at, user_id, status
      FROM login_attempts                                 -- ix_login_attempts_network_attempted_at
      WHERE {network} = {this_network}
        AND attempted_at > CAST(:now AS timestamptz) - interval '1 hour' AND attempted_at <= :now
      ORDER BY attempted_at DESC
      LIMIT 500
    )
    SELECT
      (SELECT max(attempted_at) FROM came) AS last_came_at,
      EXISTS (SELECT FROM came WHERE country IS NOT NULL) AS has_countries,
      EXISTS (SELECT FROM came WHERE country = CAST(:country AS varchar)) AS is_known_country,
      (SELECT jsonb_build_object('at', attempted_at, 'where', location)
        FROM came WHERE location IS NOT NULL ORDER BY attempted_at DESC LIMIT 1) AS last_place,
      (SELECT jsonb_object_agg(hour, count) FROM (
        SELECT extract(hour FROM attempted_at AT TIME ZONE 'UTC')::int AS hour, count(*) FROM came GROUP BY 1
      ) AS by_hour) AS hours,
      (SELECT count(*) FROM failed) AS failures_of_account,
      (SELECT count(*) FROM here WHERE status = 'FAILED') AS failures_from_address,
      (SELECT count(*) FROM here WHERE attempted_at > CAST(:now AS timestamptz) - interval '1 minute')
        AS attempts_from_address,
      (SELECT count(DISTINCT user_id) FROM here WHERE user_id <> :user_id) AS other_accounts_from_address,
      policy.version, policy.step_up_at, policy.block_at, policy.weights
    FROM (VALUES (1)) AS one
    LEFT JOIN risk_policies AS policy ON policy.is_active  -- uq_risk_policies_active
"""
SIGNALS = Statement(
    text(
        _SIGNALS.format(network=network_in_sql("ip_address"), this_network=network_in_sql("CAST(:ip_address AS inet)"))
    )
)
"""Everything that is known of an attempt's past, and the policy in force, in one statement.

Each scan has an index and a LIMIT, and all but that of the user's own sign-ins an end in time; that one reads past the
failures between them. With a million attempts it takes 0.4 to 0.8 ms (bench/plans.py). Addresses are counted as the
rate limits count them: whoever has one of IPv6 has a network of them.
"""


async def active(connection: AsyncConnection) -> AnyRow | None:
    """The policy in force (uq_risk_policies_active)."""
    statement = select(RiskPolicy.__table__).where(RiskPolicy.is_active)
    return (await connection.execute(statement)).one_or_none()


async def versions(connection: AsyncConnection, most: int) -> Sequence[AnyRow]:
    """The latest versions, the newest first (uq_risk_policies_version)."""
    statement = select(RiskPolicy.__table__).order_by(RiskPolicy.version.desc()).limit(most)
    return (await connection.execute(statement)).all()


async def replace_active(connection: AsyncConnection, version: int, values: dict[str, Any]) -> bool:
    """Put a new version in the place of `version`; False when that one is not in force any more.

    The UPDATE decides between two who change it at once (uq_risk_policies_version).
    """
    if version:
        ended = update(RiskPolicy).where(RiskPolicy.version == version, RiskPolicy.is_active).values(is_active=False)
        if (await connection.execute(ended.returning(RiskPolicy.id))).one_or_none() is None:
            return False
    await connection.execute(insert(RiskPolicy).values(values | {"version": version + 1, "is_active": True}))
    return True


APART = timedelta(days=1)
"""An attempt's id is made within this of `attempted_at`."""

_HISTORY = text("""
    SELECT id, user_id, status::text AS status, attempted_at, risk_score, metadata -> 'risk' AS risk
    FROM login_attempts                                   -- pk_login_attempts
    WHERE id > :after AND id < :end
    ORDER BY id
    LIMIT :most
""")


async def history(
    connection: AsyncConnection, after: UUID, since: datetime, until: datetime, most: int
) -> Sequence[AnyRow]:
    """The next attempts of about this time, in the order of their ids (pk_login_attempts).

    Ids follow the time, so that only the months between the two times are opened: 500 of a million in 2 ms
    (bench/plans.py). Those that were not assessed, or lie a little outside, come too: a flood of them is no reason to
    read on without end.
    """
    after, end = max(after, uuid7_floor(since - APART)), uuid7_floor(until + APART)
    values = {"after": after, "end": end, "most": most}
    return (await connection.execute(_HISTORY, values)).all()
