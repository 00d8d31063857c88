"""Statements on suppressions. Each finds its rows by uq_suppressions_channel_recipient_hash_category."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import LargeBinary, RowMapping, any_, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_notifications.kinds import Category, Channel
from orion_notifications.suppressions.rules import SuppressionReason
from orion_notifications.suppressions.tables import Suppression

SUPPRESSIONS = table_of(Suppression)

# One that has no end is not given one by a bounce that may pass. What somebody wants stops less than an address that
# does not exist or an administrator's word (rules.Suppression.stops), so it does not keep these out. An end that is to
# come by the service's clock may be past by the database's: such a suppression has begun before it.
SUPPRESS = text("""
INSERT INTO suppressions (channel, recipient_hash, category, reason, expires_at, metadata, created_at)
VALUES (
  CAST(:channel AS channel), :recipient_hash, CAST(:category AS category), CAST(:reason AS suppression_reason),
  :expires_at, CAST(:metadata AS jsonb), least(now(), CAST(:expires_at AS timestamptz) - interval '1 microsecond')
)
ON CONFLICT ON CONSTRAINT uq_suppressions_channel_recipient_hash_category DO UPDATE
SET reason = excluded.reason, expires_at = excluded.expires_at, metadata = excluded.metadata,
  created_at = least(suppressions.created_at, excluded.created_at)
WHERE suppressions.expires_at IS NOT NULL OR (
  excluded.expires_at IS NULL
  AND excluded.reason IN ('BOUNCE', 'MANUAL') AND suppressions.reason IN ('UNSUBSCRIBE', 'COMPLAINT')
)
""")

STOPPED = "stopped"
"""In the metadata of a STOP: the accounts with providers that it came by, each with the moment."""

# Both by uq_suppressions_channel_recipient_hash_category. What has been stopped in another way (by a link) is no STOP,
# and becomes none.
ADD_STOP = text(f"""
UPDATE suppressions
SET metadata = jsonb_set(metadata, '{{{STOPPED}}}', CAST(:stopped AS jsonb) || (metadata -> '{STOPPED}'))
WHERE channel = CAST(:channel AS channel) AND recipient_hash = ANY(:hashes) AND category IS NULL
  AND reason = 'UNSUBSCRIBE' AND metadata ? '{STOPPED}'
""")  # noqa: S608
TAKE_STOP_BACK = text(f"""
WITH taken_back AS (
  UPDATE suppressions
  SET metadata = jsonb_set(metadata, '{{{STOPPED}}}', (metadata -> '{STOPPED}') - CAST(:account AS text))
  WHERE channel = CAST(:channel AS channel) AND recipient_hash = ANY(:hashes) AND category IS NULL
    AND reason = 'UNSUBSCRIBE' AND metadata -> '{STOPPED}' ? CAST(:account AS text)
  RETURNING id, metadata
)
SELECT id FROM taken_back WHERE metadata -> '{STOPPED}' = '{{}}'
""")  # noqa: S608


async def suppress(connection: AsyncConnection, values: dict[str, Any]) -> bool:
    """Add an address; False when what stands there already stays."""
    return (await connection.execute(SUPPRESS, values)).rowcount > 0


async def find(connection: AsyncConnection, channel: Channel, hashes: Sequence[bytes]) -> Sequence[RowMapping]:
    """What is known of an address, which has one hash under each key."""
    statement = select(SUPPRESSIONS).where(SUPPRESSIONS.c.channel == channel, SUPPRESSIONS.c.recipient_hash.in_(hashes))
    return (await connection.execute(statement.order_by(SUPPRESSIONS.c.id))).mappings().all()


async def find_many(connection: AsyncConnection, channel: Channel, hashes: Sequence[bytes]) -> Sequence[RowMapping]:
    """Those of several recipients, each under any of its hashes."""
    statement = (
        select(SUPPRESSIONS)
        .where(
            SUPPRESSIONS.c.channel == channel,
            SUPPRESSIONS.c.recipient_hash == any_(bindparam("hashes", list(hashes), type_=ARRAY(LargeBinary))),
        )
        .order_by(SUPPRESSIONS.c.id)
    )
    return (await connection.execute(statement)).mappings().all()


async def release(
    connection: AsyncConnection,
    channel: Channel,
    hashes: Sequence[bytes],
    category: Category | None,
    reason: SuppressionReason | None,
) -> int:
    """Take an address off, of one category or of what is for all; how many rows that were. Without `reason` for any."""
    statement = delete(SUPPRESSIONS).where(
        SUPPRESSIONS.c.channel == channel,
        SUPPRESSIONS.c.recipient_hash.in_(hashes),
        SUPPRESSIONS.c.category.is_(None) if category is None else SUPPRESSIONS.c.category == category,
    )
    if reason is not None:
        statement = statement.where(SUPPRESSIONS.c.reason == reason)
    return (await connection.execute(statement)).rowcount


async def add_stop(
    connection: AsyncConnection, channel: Channel, hashes: Sequence[bytes], stopped: Mapping[str, str]
) -> None:
    """Have a STOP that stands be one by this account as well."""
    values = {"channel": channel.name, "hashes": list(hashes), "stopped": orjson.dumps(dict(stopped)).decode()}
    await connection.execute(ADD_STOP, values)


async def take_stop_back(
    connection: AsyncConnection, channel: Channel, hashes: Sequence[bytes], account_id: UUID
) -> None:
    """Take back what one account was told; with the last of them the suppression goes (pk_suppressions)."""
    values = {"channel": channel.name, "hashes": list(hashes), "account": str(account_id)}
    ended = (await connection.execute(TAKE_STOP_BACK, values)).scalars().all()
    if ended:
        await connection.execute(delete(SUPPRESSIONS).where(SUPPRESSIONS.c.id.in_(ended)))
