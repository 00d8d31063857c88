"""Identifiers order by time, and both sides, Python and SQL, cut time at the same ids."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_core.house import UUIDV7, UUIDV7_FLOOR
from orion_core.ids import EPOCH, uuid7, uuid7_at, uuid7_floor, uuid7_time

MOMENTS = st.timedeltas(timedelta(0), timedelta(days=84_000)).map(lambda since: EPOCH + since)


@pytest.fixture
async def functions(postgres_admin_url: str) -> AsyncGenerator[asyncpg.Connection]:
    """A connection that has our SQL functions in its temporary schema, also on a server with its own uuidv7()."""
    connection = await asyncpg.connect(postgres_admin_url)
    await connection.execute(UUIDV7.replace("FUNCTION uuidv7()", "FUNCTION pg_temp.orion_uuidv7()"))
    await connection.execute(UUIDV7_FLOOR.replace("FUNCTION uuidv7_floor", "FUNCTION pg_temp.orion_uuidv7_floor"))
    yield connection
    await connection.close()


def test_ids_made_one_after_the_other_are_in_order() -> None:
    made = [uuid7() for _ in range(10_000)]
    assert made == sorted(made) and len(set(made)) == len(made)


def test_an_id_tells_when_it_was_made() -> None:
    before = datetime.now(UTC)
    assert before - timedelta(milliseconds=1) <= uuid7_time(uuid7()) <= datetime.now(UTC)


@given(MOMENTS)
def test_an_id_of_a_moment_is_a_uuid7_of_its_millisecond(moment: datetime) -> None:
    one, other = uuid7_at(moment), uuid7_at(moment)
    assert one != other
    assert one.version == 7 and one.variant == RFC_4122
    assert uuid7_time(one) == uuid7_time(uuid7_floor(moment))


@given(MOMENTS)
def test_ids_of_one_moment_are_in_the_order_in_which_they_are_made(moment: datetime) -> None:
    made = [uuid7_at(moment) for _ in range(100)]
    assert made == sorted(made) and len(set(made)) == len(made)


@given(MOMENTS)
def test_the_floor_is_the_millisecond_a_moment_falls_in(moment: datetime) -> None:
    since = moment - uuid7_time(uuid7_floor(moment))
    assert timedelta(0) <= since < timedelta(milliseconds=1)


@given(MOMENTS, st.integers(0, 2**62 - 1), st.integers(0, 2**12 - 1))
def test_ids_of_a_millisecond_are_above_its_floor_and_below_the_next(moment: datetime, tail: int, head: int) -> None:
    floor = uuid7_floor(moment)
    made = UUID(int=floor.int | 7 << 76 | head << 64 | 2 << 62 | tail)
    assert floor < made < uuid7_floor(moment + timedelta(milliseconds=1))


def test_a_moment_without_time_zone_has_no_floor() -> None:
    with pytest.raises(TypeError):
        uuid7_floor(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


async def test_sql_has_the_same_floor(functions: asyncpg.Connection) -> None:
    # 1.001 s and 1.1 s are moments that a calculation in floats puts into the millisecond before.
    start = datetime(2026, 3, 29, 1, tzinfo=UTC)
    moments = [start + timedelta(microseconds=n) for n in range(0, 3_000_000, 997)]
    moments += [start + timedelta(milliseconds=n) for n in range(2_000)]
    rows = await functions.fetch("SELECT pg_temp.orion_uuidv7_floor(m) AS id FROM unnest($1::timestamptz[]) m", moments)
    assert [row["id"] for row in rows] == [uuid7_floor(moment) for moment in moments]


async def test_the_uuidv7_of_older_servers_has_version_variant_and_time(functions: asyncpg.Connection) -> None:
    query = "SELECT pg_temp.orion_uuidv7() AS id, clock_timestamp() AS at FROM generate_series(1, 1000)"
    rows = await functions.fetch(query)
    assert {(row["id"].version, row["id"].variant) for row in rows} == {(7, "specified in RFC 4122")}
    assert all(abs(row["at"] - uuid7_time(row["id"])) < timedelta(seconds=1) for row in rows)
    assert len({row["id"] for row in rows}) == 1000
    assert len({row["id"].int >> 64 & 0xFFF for row in rows}) > 500, "the bits after the version are random"
