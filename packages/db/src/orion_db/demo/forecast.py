"""What demo data of a size would be, before any of it is written: rows, bytes, time."""

from dataclasses import dataclass

from orion_core.demo import FEWEST
from orion_db.connections import owner_connection
from orion_db.demo.fill import check_demo, check_size, course_of, sample_of
from orion_db.result import Result
from orion_db.targets import Target

BYTES_A_ROW = 505
"""With its share of the indexes; measured at 100,000 users."""

ROWS_PER_SECOND = 8_000
"""Measured on two busy cores, with the server on the same machine; an idle machine does twice as much."""


@dataclass(frozen=True)
class Forecast(Result):
    """What `seed demo` would do to one database that has no demo users yet."""

    users: int
    rows: dict[str, int]
    size_bytes: int
    seconds: float

    def in_words(self) -> list[str]:
        first = (
            f"{self.users:,} demo users would be about {sum(self.rows.values()):,} rows, "
            f"{self.size_bytes / 1e9:,.2f} GB with their indexes, in about {self.seconds / 60:,.1f} minutes"
        )
        return [first, *(f"{table}: about {count:,}" for table, count in sorted(self.rows.items()))]


async def forecast(target: Target, *, users: int, seed: int | None, production: bool) -> Forecast:
    """Make the first users without writing them, and reckon. Refuses what `seed_demo` refuses."""
    service = target.service
    check_size(users)
    async with owner_connection(target, "seed demo") as connection, connection.begin():
        await check_demo(target, connection, production=production)
        course = await course_of(connection, service, seed)
        sample = await sample_of(service, connection, course)
    rows = {table: round(len(made) * users / FEWEST) for table, (_, made) in sample.items()}
    total = sum(rows.values())
    return Forecast(service.name, users, rows, total * BYTES_A_ROW, total / ROWS_PER_SECOND)
