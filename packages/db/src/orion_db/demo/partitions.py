"""Partitions for the months that demo data reaches back to; deploys make the present one and those ahead only."""

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.ids import uuid7_floor
from orion_core.partitions import PARENTS
from orion_db.roles import quoted

_HAS_ROWS = "SELECT EXISTS (SELECT FROM {} WHERE id >= '{}' AND id < '{}')"


async def make_past_partitions(
    connection: AsyncConnection, tables: Collection[str], until: datetime, months: int
) -> list[str]:
    """Make these tables' partitions of the `months` before `until` where they are missing; the names of those made.

    A month that has rows in the default partition already keeps them there, as in `ensure_partitions`.
    """
    parents = (await connection.execute(PARENTS)).scalars().all()
    made: list[str] = []
    for parent in (parent for parent in parents if parent in tables):
        for month in range(until.year * 12 + until.month - 1 - months, until.year * 12 + until.month):
            first, following = _first_of(month), _first_of(month + 1)
            name = f"{parent}_y{first:%Y}m{first:%m}"
            if await _make(connection, parent, name, first, following):
                made.append(name)
    return made


async def _make(connection: AsyncConnection, parent: str, name: str, first: datetime, following: datetime) -> bool:
    exists = await connection.execute(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": quoted(name)})
    if exists.scalar_one():
        return False
    bounds = uuid7_floor(first), uuid7_floor(following)
    has_rows = await connection.exec_driver_sql(_HAS_ROWS.format(quoted(parent), *bounds))
    if has_rows.scalar_one():
        return False
    await connection.exec_driver_sql(
        f"CREATE TABLE {quoted(name)} PARTITION OF {quoted(parent)} FOR VALUES FROM ('{bounds[0]}') TO ('{bounds[1]}')"
    )
    return True


def _first_of(month: int) -> datetime:
    """The first moment of a month, counted from year 0."""
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
