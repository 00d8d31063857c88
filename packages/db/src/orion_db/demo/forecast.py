"""What demo data of a size would be, before any of it is written: rows, bytes, time."""

from dataclasses import dataclass

from orion_core.demo import demo_user
from orion_db.connections import owner_connection
from orion_db.demo.fill import check_demo, check_size, course_of, demo_of, rows_of
from orion_db.result import Result
from orion_db.targets import Target

SAMPLE = 1_000
"""Users that are made, and not written, to count their rows."""

BYTES_A_ROW = 505
"""With its share of the indexes; measured at 100,000 users."""

ROWS_PER_SECOND = 20_000
"""Measured on two cores, with the server on the same machine."""


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
    """Make `SAMPLE` users without writing them, and reckon. Refuses what `seed_demo` refuses."""
    service = target.service
    demo = demo_of(service)
    check_size(users)
    async with owner_connection(target, "seed demo") as connection, connection.begin():
        await check_demo(target, connection, production=production)
        course = await course_of(connection, service, seed)
        facts = await demo.facts(connection)
    sample = [demo_user(number, course.seed, course.until) for number in range(1, SAMPLE + 1)]
    rows = {
        table: round(len(made) * users / SAMPLE) for table, (_, made) in rows_of(service, course, sample, facts).items()
    }
    total = sum(rows.values())
    return Forecast(service.name, users, rows, total * BYTES_A_ROW, total / ROWS_PER_SECOND)
