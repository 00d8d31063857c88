"""Rows that came when their month had no partition, and so stand in the default one.

They are read, constrained and indexed like all others. Their months get no partition any more (`ensure_partitions`
passes them over), so retention cannot detach these months by themselves.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.ids import uuid7_time


@dataclass(frozen=True)
class Stranded:
    """A table with rows in its default partition, and when the first and the last of them were made (by their ids)."""

    table: str
    first: datetime
    last: datetime

    def __str__(self) -> str:
        months = " to ".join(dict.fromkeys((f"{self.first:%Y-%m}", f"{self.last:%Y-%m}")))
        return (
            f"{self.table}: rows of {months} are in the default partition, because no partition was ready for them. "
            "Nothing is lost; these months cannot be detached by themselves, later ones have partitions of their own"
        )


async def read_stranded(connection: AsyncConnection) -> tuple[Stranded, ...]:
    """Each table that has rows in its default partition. Reads two entries of each primary key."""
    found: list[Stranded] = []
    for table, default in (await connection.execute(_DEFAULTS)).all():
        first, last = (await connection.execute(text(_ENDS.format(default=default)))).one()
        if first is not None:
            found.append(Stranded(table, _moment(first), _moment(last)))
    return tuple(found)


def _moment(value: UUID) -> datetime:
    """When the id was made; one that is no UUIDv7 may claim a year that Python has no date for."""
    try:
        return uuid7_time(value)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


_DEFAULTS = text("""
SELECT c.oid::regclass::text, p.partdefid::regclass::text
FROM pg_partitioned_table AS p JOIN pg_class AS c ON c.oid = p.partrelid
WHERE p.partdefid <> 0 AND pg_get_partkeydef(c.oid) = 'RANGE (id)' ORDER BY 1
""")

_ENDS = """
SELECT (SELECT id FROM {default} ORDER BY id LIMIT 1), (SELECT id FROM {default} ORDER BY id DESC LIMIT 1)
"""
