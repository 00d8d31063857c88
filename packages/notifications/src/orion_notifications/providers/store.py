"""Statements on provider_accounts, of which there are a few dozen, and on provider_buckets, each row by its key."""

from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_notifications.providers.rules import ProviderHealth
from orion_notifications.providers.tables import ProviderAccount

ACCOUNTS = table_of(ProviderAccount)

# Of the tokens that are wanted, those that are there: what the bucket has room for before it is `:burst` behind.
_GRANTED = """
  greatest(0, least(CAST(:wanted AS integer), CAST(:burst AS integer) - ceil(
    extract(epoch FROM greatest(b.full_at, now()) - now()) / CAST(:interval AS float8) - 0.000001
  )::integer))
"""
TAKE = text(f"""
INSERT INTO provider_buckets AS b (account_id, granted, full_at)
VALUES (
  :account_id, least(CAST(:wanted AS integer), CAST(:burst AS integer)),
  now() + make_interval(secs => least(CAST(:wanted AS integer), CAST(:burst AS integer)) * CAST(:interval AS float8))
)
ON CONFLICT (account_id) DO UPDATE SET
  granted = {_GRANTED},
  full_at = greatest(b.full_at, now()) + make_interval(secs => {_GRANTED} * CAST(:interval AS float8))
RETURNING b.granted,
  extract(epoch FROM b.full_at - now())::float8 - (CAST(:burst AS integer) - 1) * CAST(:interval AS float8) AS wait
""")  # noqa: S608 - only the constant above is put in

TELL_HEALTH = text("""
UPDATE provider_accounts SET health = CAST(:health AS provider_health), health_changed_at = now()
WHERE id = :account_id AND health <> CAST(:health AS provider_health)
""")


async def list_all(connection: AsyncConnection) -> list[RowMapping]:
    """Every account, in a steady order."""
    return list((await connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.channel, ACCOUNTS.c.name))).mappings())


async def find(connection: AsyncConnection, account_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """One account (pk_provider_accounts)."""
    statement = select(ACCOUNTS).where(ACCOUNTS.c.id == account_id)
    return (await connection.execute(statement.with_for_update() if lock else statement)).mappings().one_or_none()


async def is_only(connection: AsyncConnection, provider: str) -> bool:
    """Whether there is one account at most with a provider."""
    statement = select(ACCOUNTS.c.id).where(ACCOUNTS.c.provider == provider).limit(2)
    return len((await connection.execute(statement)).all()) < 2


async def add(connection: AsyncConnection, values: dict[str, Any]) -> None:
    """A new account."""
    await connection.execute(insert(ACCOUNTS).values(values))


async def change(connection: AsyncConnection, account_id: UUID, values: dict[str, Any]) -> None:
    """Other values of an account (pk_provider_accounts)."""
    await connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.id == account_id).values(values))


async def remove(connection: AsyncConnection, account_id: UUID) -> None:
    """An account and its bucket (pk_provider_accounts)."""
    await connection.execute(delete(ACCOUNTS).where(ACCOUNTS.c.id == account_id))


async def tell_health(connection: AsyncConnection, account_id: UUID, health: ProviderHealth) -> None:
    """What a worker has found of an account (pk_provider_accounts)."""
    await connection.execute(TELL_HEALTH, {"account_id": account_id, "health": health.name})


async def take(
    connection: AsyncConnection, account_id: UUID, *, wanted: int, burst: int, interval: float
) -> tuple[int, float]:
    """How many of the `wanted` tokens there are, which are gone then, and in how many seconds there will be the next.

    One comes every `interval` seconds, and `burst` of them are kept (pk_provider_buckets).
    """
    values = {"account_id": account_id, "wanted": wanted, "burst": burst, "interval": interval}
    row = (await connection.execute(TAKE, values)).mappings().one()
    return row["granted"], max(0.0, row["wait"])
