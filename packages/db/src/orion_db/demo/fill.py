"""Fill one service's database with demo users, by COPY, a chunk of users in each transaction.

Rows are made in Python and streamed by COPY. Making them takes a quarter of the time (100,000 users: 52 s of 217 s, on
two busy cores); the rest is the server's work on indexes and foreign keys, which INSERT … SELECT FROM generate_series()
has to do as well. In exchange, what a user is stands once, in Python, for three databases and all versions.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import asyncpg
import orjson
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.demo import FEWEST, MONTHS, MOST, Demo, DemoUser, Facts, demo_user, user_id
from orion_core.imports import load
from orion_core.service import Service
from orion_db.connections import owner_connection
from orion_db.demo.partitions import make_past_partitions
from orion_db.errors import Exit, Problem, reason
from orion_db.history import compare_history, read_history, refuse_unless_clean
from orion_db.production import is_marked
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result
from orion_db.revisions import read_revisions
from orion_db.roles import quoted
from orion_db.targets import Target

CHUNK = 2_000
"""Users of one transaction: some 25 MB of rows in memory, and no more than two seconds lost when it is broken off."""

DEFAULT_SEED = 1

Rows = dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]]

_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('orion db seed demo'))")


@dataclass(frozen=True)
class DemoSeeding(Result):
    """What `seed demo` did to one database. A second run inserts nothing."""

    users: int
    """How many were asked for; so many are there now."""
    seed: int
    until: date
    """The day that sign-ins, messages and audit rows end on."""
    inserted: dict[str, int]
    users_inserted: int
    partitions_made: tuple[str, ...]
    seconds: float

    @property
    def rows_per_second(self) -> int:
        return round(sum(self.inserted.values()) / self.seconds) if self.seconds else 0

    def in_words(self) -> list[str]:
        rows = sum(self.inserted.values())
        first = (
            f"{self.users:,} demo users (seed {self.seed}, until {self.until}): "
            f"{self.users_inserted:,} inserted, {self.users - self.users_inserted:,} were there"
        )
        lines = [first]
        if rows:
            lines.append(f"{rows:,} rows in {self.seconds:,.1f} s, {self.rows_per_second:,} a second")
        lines += [f"{table}: {count:,} inserted" for table, count in sorted(self.inserted.items())]
        return lines + ([f"made {len(self.partitions_made)} partitions"] if self.partitions_made else [])


@dataclass(frozen=True)
class Course:
    """What the demo users of a database are made from."""

    seed: int
    until: date

    def as_metadata(self) -> str:
        return orjson.dumps({"demo": {"seed": self.seed, "until": self.until.isoformat()}}).decode()


@dataclass
class _Written:
    """What has been done so far."""

    users: int = 0
    rows: dict[str, int] = field(default_factory=dict[str, int])


async def seed_demo(
    target: Target, *, users: int, seed: int | None = None, production: bool = False, progress: Progress = silent
) -> DemoSeeding:
    """Have the first `users` demo users there, of at most `MOST`. Broken off, it goes on where it was.

    Raises Problem `production_database`, `pending_migrations`, `other_demo_seed`, `no_demo_data`, `demo_failed`.
    """
    demo = demo_of(target.service)
    check_size(users)
    started = time.monotonic()
    async with owner_connection(target, "seed demo") as connection:
        async with connection.begin():
            await check_demo(target, connection, production=production)
            course = await course_of(connection, target.service, seed)
            end = datetime(course.until.year, course.until.month, course.until.day, tzinfo=UTC)
            tables = await sample_of(target.service, connection, course)
            partitions = await make_past_partitions(connection, tables, end, MONTHS)
        written = _Written()
        for first in range(1, users + 1, CHUNK):
            numbers = range(first, min(first + CHUNK, users + 1))
            await _chunk(target, connection, demo, course, numbers, written)
            progress(Step(target.service.name, f"demo users {numbers[-1]:,}", share=numbers[-1] / users))
        if written.users:
            progress(Step(target.service.name, "ANALYZE"))
            await _analyze(connection, written.rows)
    progress(Step(target.service.name, f"{written.users:,} demo users inserted", "done"))
    return DemoSeeding(
        service=target.service.name,
        users=users,
        seed=course.seed,
        until=course.until,
        inserted=written.rows,
        users_inserted=written.users,
        partitions_made=tuple(partitions),
        seconds=time.monotonic() - started,
    )


def demo_of(service: Service) -> Demo:
    """The service's demo data. Raises Problem `no_demo_data`."""
    if service.demo is None:
        raise Problem("no_demo_data", Exit.USAGE, f"{service.name} has no demo data.")
    demo: Demo = load(service.demo)
    return demo


def check_size(users: int) -> None:
    """Raise the Problem that forbids the size, if it does."""
    if not FEWEST <= users <= MOST:
        raise Problem("wrong_size", Exit.USAGE, f"--users must be between {FEWEST:,} and {MOST:,}, not {users:,}.")


async def check_demo(target: Target, connection: AsyncConnection, *, production: bool) -> None:
    """Raise the Problem that keeps demo data out of this database, if there is one."""
    if production or await is_marked(connection, target.database):
        raise Problem(
            "production_database",
            Exit.REFUSED,
            f"{target.database!r} on {target.address()} is a production database: it gets no demo users.",
            "They share one password, which is documented.",
            "Use a database of its own, without ORION_ENV=production and without the production mark.",
        )
    standing = compare_history(read_revisions(target.service.migrations), await read_history(connection))
    refuse_unless_clean(target.service, standing)
    if standing.pending:
        raise Problem(
            "pending_migrations",
            Exit.REFUSED,
            f"{target.service.name}: {len(standing.pending)} migrations are not applied yet.",
            "Demo data is written for the newest schema.",
            f"Run `orion db deploy {target.service.name}` first.",
        )


async def course_of(connection: AsyncConnection, service: Service, seed: int | None) -> Course:
    """As the first user in the database has it; for the first run `seed`, and the first day of this month.

    Raises Problem `other_demo_seed`.
    """
    demo = demo_of(service)
    found = await connection.execute(
        text(
            f"SELECT metadata->'demo'->>'seed', metadata->'demo'->>'until' FROM {quoted(demo.anchor)} "  # noqa: S608
            f"WHERE {quoted(demo.anchor_key)} = :id"
        ),
        {"id": user_id(1)},
    )
    row = found.one_or_none()
    if row is None or row[0] is None:
        return Course(DEFAULT_SEED if seed is None else seed, datetime.now(UTC).date().replace(day=1))
    course = Course(int(row[0]), date.fromisoformat(row[1]))
    if seed is not None and seed != course.seed:
        raise Problem(
            "other_demo_seed",
            Exit.REFUSED,
            f"{service.name}: the demo users that are there were made with seed {course.seed}, not {seed}.",
            "Their ids are the same, so both cannot be in one database.",
            f"Leave --seed out, or begin anew with `orion db reset {service.name}`.",
        )
    return course


async def sample_of(service: Service, connection: AsyncConnection, course: Course) -> Rows:
    """The rows of the first `FEWEST` users, made and not written."""
    facts = await demo_of(service).facts(connection)
    return rows_of(service, course, (demo_user(n, course.seed, course.until) for n in range(1, FEWEST + 1)), facts)


async def _chunk(
    target: Target, connection: AsyncConnection, demo: Demo, course: Course, numbers: range, written: _Written
) -> None:
    """Those of the users that are missing, in one transaction."""
    try:
        async with connection.begin():
            await connection.execute(text("SET LOCAL synchronous_commit = off"))  # broken off, it is done again
            await connection.execute(_LOCK)
            first = await _first_missing(connection, demo, numbers)
            if first is None:
                return
            facts = await demo.facts(connection)
            users = [demo_user(number, course.seed, course.until) for number in range(first, numbers.stop)]
            users.sort(key=lambda user: user.id.int)  # in the order of the key, its index is written page by page
            await _copy(connection, rows_of(target.service, course, users, facts), written)
            written.users += len(users)
    except (DBAPIError, asyncpg.PostgresError) as error:
        raise Problem(
            "demo_failed",
            Exit.FAILED,
            f"{target.service.name}: demo users {numbers[0]:,} to {numbers[-1]:,} were not inserted.",
            reason(error),
            "Those before them stay; repeat the command to go on. A user of your own may have taken a demo address.",
        ) from error


async def _first_missing(connection: AsyncConnection, demo: Demo, numbers: range) -> int | None:
    """The user after the last one who is there; None when the last one is. Who was deleted since stays away."""
    anchor, key = quoted(demo.anchor), quoted(demo.anchor_key)
    present = text(f"SELECT {key} FROM {anchor} WHERE {key} = ANY (:ids)")  # noqa: S608
    if (await connection.execute(present, {"ids": [user_id(numbers[-1])]})).one_or_none() is not None:
        return None
    ids = {user_id(number): number for number in numbers}
    there = (await connection.execute(present, {"ids": list(ids)})).scalars()
    return max((ids[id] for id in there), default=numbers[0] - 1) + 1


def rows_of(service: Service, course: Course, users: Iterable[DemoUser], facts: Facts) -> Rows:
    """Columns and rows by table, tables in the order in which they refer to each other."""
    demo = demo_of(service)
    found: Rows = {}
    for user in users:
        own = Random(f"{course.seed} {service.name} {user.number}")  # noqa: S311 - for the same data everywhere
        known = {**facts, "metadata": course.as_metadata() if user.number == 1 else "{}"}
        for table, row in demo.rows(user, own, known):
            columns, rows = found.setdefault(table, (tuple(row), []))
            assert columns == tuple(row), f"rows of {table} differ in their columns"
            rows.append(tuple(row.values()))
    return {table.name: found[table.name] for table in service.metadata.sorted_tables if table.name in found}


async def _copy(connection: AsyncConnection, tables: Rows, written: _Written) -> None:
    raw: Any = (await connection.get_raw_connection()).driver_connection
    for table, (columns, rows) in tables.items():
        await raw.copy_records_to_table(table, records=rows, columns=columns)
        written.rows[table] = written.rows.get(table, 0) + len(rows)


async def _analyze(connection: AsyncConnection, tables: Iterable[str]) -> None:
    async with connection.begin():
        for table in tables:
            await connection.exec_driver_sql(f"ANALYZE {quoted(table)}")
