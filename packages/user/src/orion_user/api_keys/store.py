# ruff: noqa: S608 - the statements are put together from constants of this file
"""Every statement on `api_keys` and `api_key_rates`.

The one that admits a key looks at its owner in `users` too: it is asked with every request of a program.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, Text, Uuid, bindparam, func, insert, or_, select, text, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.last_minute import BEFORE, WITH_THIS_ONE, moment
from orion_core.tables import table_of
from orion_user.api_keys.tables import ApiKey

KEYS = table_of(ApiKey)
_IS_GOOD = (
    KEYS.c.revoked_at.is_(None),
    or_(KEYS.c.expires_at.is_(None), KEYS.c.expires_at > bindparam("now")),
    or_(KEYS.c.overlap_until.is_(None), KEYS.c.overlap_until > bindparam("now")),
)


async def insert_key(connection: AsyncConnection, values: Mapping[str, Any]) -> RowMapping:
    """Write a new key."""
    return (await connection.execute(insert(KEYS).values(values).returning(KEYS))).mappings().one()


async def count_good(connection: AsyncConnection, user_id: UUID | None, service: str | None, now: datetime) -> int:
    """How many keys of an owner are good (ix_api_keys_user_id, ix_api_keys_service)."""
    whose = KEYS.c.user_id == user_id if user_id is not None else KEYS.c.service == service
    statement = select(func.count()).select_from(KEYS).where(whose, *_IS_GOOD)
    return (await connection.execute(statement, {"now": now})).scalar_one()


async def find(
    connection: AsyncConnection, key_id: UUID, user_id: UUID | None = None, *, lock: bool = False
) -> RowMapping | None:
    """One key (pk_api_keys); with `user_id` only that user's own."""
    statement = select(KEYS).where(KEYS.c.id == key_id)
    if user_id is not None:
        statement = statement.where(KEYS.c.user_id == user_id)
    return (await connection.execute(statement.with_for_update() if lock else statement)).mappings().one_or_none()


async def find_by_prefix(connection: AsyncConnection, prefix: str) -> RowMapping | None:
    """One key by its public part, locked (uq_api_keys_prefix)."""
    statement = select(KEYS).where(KEYS.c.prefix == prefix).with_for_update()
    return (await connection.execute(statement)).mappings().one_or_none()


async def listed(
    connection: AsyncConnection, user_id: UUID | None, service: str | None, before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Keys, the latest first: a user's (ix_api_keys_user_id), a service's (ix_api_keys_service), or all (pk_api_keys).

    An owner has few, also of those that have ended.
    """
    statement = select(KEYS).order_by(KEYS.c.id.desc()).limit(limit)
    if user_id is not None:
        statement = statement.where(KEYS.c.user_id == user_id)
    if service is not None:
        statement = statement.where(KEYS.c.service == service)
    if before is not None:
        statement = statement.where(KEYS.c.id < before)
    return (await connection.execute(statement)).mappings().all()


async def change(connection: AsyncConnection, key_id: UUID, values: Mapping[str, Any]) -> RowMapping:
    """Change a key that the caller has locked (pk_api_keys)."""
    statement = update(KEYS).where(KEYS.c.id == key_id).values(values).returning(KEYS)
    return (await connection.execute(statement)).mappings().one()


async def revoke_since(
    connection: AsyncConnection, user_id: UUID, since: datetime, now: datetime
) -> Sequence[RowMapping]:
    """Revoke what a user has made since then, for himself or for a service (ix_api_keys_user_id,
    ix_api_keys_issued_by); those that were.
    """
    whose = or_(KEYS.c.user_id == user_id, KEYS.c.issued_by == user_id)
    late = (whose, KEYS.c.created_at >= since, KEYS.c.revoked_at.is_(None))
    values = {"revoked_at": now, "revoked_reason": "DEVICE_DISAVOWED"}
    return (await connection.execute(update(KEYS).where(*late).values(values).returning(KEYS))).mappings().all()


_ADMIT = text(f"""
    WITH key AS (
      SELECT
        api_keys.id, allowed_cidrs, rate_limit, expires_at, overlap_until, revoked_at,
        user_id IS NULL OR users.deleted_at IS NULL AND users.status NOT IN ('SUSPENDED', 'DELETED') AS may_come_in
      FROM api_keys LEFT JOIN users ON users.id = api_keys.user_id                        -- pk_users
      WHERE api_keys.id = :key_id                                                         -- pk_api_keys
    ), counted AS (
      INSERT INTO api_key_rates AS rate (api_key_id, seconds, counts)
      SELECT key.id, ARRAY[CAST(:second AS bigint)], ARRAY[1] FROM key
      WHERE key.rate_limit IS NOT NULL AND key.revoked_at IS NULL
      ON CONFLICT (api_key_id) DO UPDATE SET (seconds, counts) = ({WITH_THIS_ONE})       -- uq_api_key_rates_api_key_id
      WHERE ({BEFORE}) < (SELECT key.rate_limit FROM key)
      RETURNING rate.seconds
    )
    SELECT key.*, rate.seconds AS before, counted.seconds IS NOT NULL AS was_counted
    FROM key
    LEFT JOIN api_key_rates AS rate ON rate.api_key_id = key.id                           -- uq_api_key_rates_api_key_id
    LEFT JOIN counted ON true
""")
"""It counts as `last_minute.Counter` does, in the round trip that looks at the key."""


async def admit(connection: AsyncConnection, key_id: UUID, now: datetime) -> RowMapping | None:
    """What decides on a use of a key, which is counted if it has a limit that leaves room; None without the key."""
    second, oldest = moment(now)
    values = {"key_id": key_id, "second": second, "oldest": oldest}
    return (await connection.execute(_ADMIT, values)).mappings().one_or_none()


_ADD_USES = text("""
    WITH used AS (
      SELECT * FROM unnest(:ids, :counts, :moments, :addresses) AS used (id, count, at, address)
    ), held AS (
      SELECT id FROM api_keys WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE          -- pk_api_keys
    )
    UPDATE api_keys AS key SET
      usage_count = key.usage_count + used.count,
      last_used_ip = CASE WHEN key.last_used_at >= used.at THEN key.last_used_ip ELSE used.address::inet END,
      last_used_at = greatest(key.last_used_at, used.at)
    FROM used JOIN held ON held.id = used.id
    WHERE key.id = used.id
""").bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("counts", type_=ARRAY(BigInteger)),
    bindparam("moments", type_=ARRAY(DateTime(timezone=True))),
    bindparam("addresses", type_=ARRAY(Text)),
)


async def add_uses(connection: AsyncConnection, uses: Sequence[tuple[UUID, int, datetime, str | None]]) -> None:
    """Note how often keys were used since the last time, all in one statement that locks them in one order."""
    ids, counts, moments, addresses = (list(column) for column in zip(*uses, strict=True))
    await connection.execute(_ADD_USES, {"ids": ids, "counts": counts, "moments": moments, "addresses": addresses})
