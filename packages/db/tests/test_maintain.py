"""Maintenance does what is due, and lets everybody pass: whoever waits, a deploy, a busy server, whoever ends it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

import orion_db
from orion_core.service import installed_services
from orion_core.testing.databases import Databases
from orion_db.connections import login_connection
from orion_db.doctor.examine import history
from orion_db.errors import Exit, Problem
from orion_db.locks import LOCK_KEY
from orion_db.maintain.guard import Guard
from orion_db.maintain.limits import Limits
from orion_db.maintain.maintain import Maintenance, maintain

BLOATED = "words_of_bloated"
FLUSH = "SELECT pg_stat_force_next_flush()"  # the rows that died are told before the VACUUM, not after
REINDEX = f"REINDEX INDEX CONCURRENTLY {BLOATED}"


@pytest.fixture(scope="module")
async def target(databases: Databases) -> AsyncGenerator[orion_db.Target]:
    """A database with a bloated index, until the last test cures it: rebuilding it can be held up at will."""
    async with databases.clone("user") as database:
        target = orion_db.Target(installed_services()["user"], database.url, database.owner_url)
        await run(
            target,
            "CREATE TABLE bloated (id integer PRIMARY KEY, words text) WITH (autovacuum_enabled = off)",
            "INSERT INTO bloated SELECT n, lpad(n::text, 150, 'x') FROM generate_series(1, 60000) AS n",
            f"CREATE INDEX {BLOATED} ON bloated (words)",
            "DELETE FROM bloated WHERE id % 20 <> 0",
            FLUSH,
            "VACUUM (ANALYZE) bloated",
        )
        yield target


@asynccontextmanager
async def session(target: orion_db.Target) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(target.owner_url)
    try:
        yield connection
    finally:
        connection.terminate()


async def run(target: orion_db.Target, *statements: str, as_owner: bool = True) -> list[asyncpg.Record]:
    async with session(target) as connection:
        if as_owner:
            await connection.execute(f"SET ROLE {target.service.owner_role}")
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetch(statements[-1])


@asynccontextmanager
async def held_up(target: orion_db.Target) -> AsyncGenerator[None]:
    """An old snapshot, for which every concurrent build in this database waits at its end."""
    async with session(target) as connection:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        yield


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    for _ in range(200):
        if await condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come to that")


async def is_rebuilding(target: orion_db.Target) -> bool:
    query = (
        "SELECT FROM pg_stat_activity WHERE query = '{}' AND wait_event_type = 'Lock' AND datname = current_database()"
    )
    return bool(await run(target, query.format(REINDEX), as_owner=False))


async def nobody_looks_back(target: orion_db.Target) -> bool:
    """No session has a snapshot, so that VACUUM may remove all; one that autovacuum analyzes by has, for a moment."""
    held = "SELECT FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()"
    return not await run(target, f"{held} AND datname = current_database()", as_owner=False)


async def invalid_indexes(target: orion_db.Target) -> list[str]:
    rows = await run(target, "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
    return [row[0] for row in rows]


async def test_a_dry_run_says_what_is_due_and_why(target: orion_db.Target) -> None:
    result = await maintain(target, dry_run=True)
    assert [finding.fix for finding in result.due] == [(REINDEX,)]
    assert "empty" in result.in_words()[1]
    assert not await history_of(target)


async def history_of(target: orion_db.Target) -> list[int]:
    return [checkup.score for checkup in (await history(target)).checkups]


async def test_it_gives_way_to_whoever_waits_for_it_and_leaves_nothing_behind(target: orion_db.Target) -> None:
    async with held_up(target), session(target) as other:
        working = asyncio.create_task(maintain(target, record=False))
        await until(lambda: is_rebuilding(target))
        await asyncio.wait_for(other.execute("ALTER TABLE bloated ADD COLUMN more integer"), 10)
        result = await asyncio.wait_for(working, 20)
    (treatment,) = [treatment for treatment in result.done if treatment.object == BLOATED]
    assert not treatment.cured
    assert "waits for it" in treatment.reason
    assert result.exit_code is Exit.FOUND
    assert await invalid_indexes(target) == []


async def test_it_stops_when_told_and_when_the_time_is_over(target: orion_db.Target) -> None:
    stop = asyncio.Event()
    async with held_up(target):
        working = asyncio.create_task(maintain(target, record=False, stop=stop))
        await until(lambda: is_rebuilding(target))
        stop.set()
        stopped = await asyncio.wait_for(working, 10)
        assert [treatment.reason for treatment in stopped.done] == ["told to stop"]
        late = Limits(until=datetime.now(UTC) + timedelta(seconds=2))
        over = await asyncio.wait_for(maintain(target, record=False, limits=late), 15)
        assert "the time is over" in over.done[0].reason
    assert await invalid_indexes(target) == []


async def test_sigterm_ends_it_cleanly(target: orion_db.Target) -> None:
    environment = {**os.environ, "USER_DATABASE_URL": target.url, "USER_DATABASE_OWNER_URL": target.owner_url}
    async with held_up(target):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "orion_cli",
            "db",
            "maintain",
            "user",
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        await until(lambda: is_rebuilding(target))
        process.send_signal(signal.SIGTERM)
        out, error = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == Exit.FOUND, error.decode()
    assert "told to stop" in out.decode()
    assert await invalid_indexes(target) == []


async def test_a_server_that_goes_away_is_told_as_that(target: orion_db.Target) -> None:
    """All connections of maintenance end, as in a restart of PostgreSQL; nothing it tries after that hides why."""
    async with held_up(target):
        working = asyncio.create_task(maintain(target, record=False))
        await until(lambda: is_rebuilding(target))
        await run(
            target,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE application_name LIKE 'orion db maintain%' AND datname = '{target.database}'",
            as_owner=False,
        )
        with pytest.raises(DBAPIError) as raised:
            await asyncio.wait_for(working, 10)
    assert raised.value.connection_invalidated
    for index in await invalid_indexes(target):
        await run(target, f"DROP INDEX {index}")


async def test_only_one_maintains_a_database(target: orion_db.Target) -> None:
    async with login_connection(target, "test", autocommit=True) as connection:
        await Guard(connection, Limits(), asyncio.Event()).enter()
        with pytest.raises(Problem) as raised:
            await maintain(target)
    assert raised.value.exit_code is Exit.LOCKED
    assert "pid" in raised.value.why


@pytest.mark.parametrize(
    ("occupied_by", "limit", "reason"),
    [
        (f"SELECT pg_advisory_lock({LOCK_KEY})", None, "a migration is running"),
        ("SELECT pg_sleep(30)", 0, "sessions are at work, more than 0"),
    ],
)
async def test_it_waits_while_others_are_at_work(
    target: orion_db.Target, occupied_by: str, limit: int | None, reason: str
) -> None:
    async with session(target) as other:
        working = asyncio.create_task(other.execute(occupied_by))
        await asyncio.sleep(0.2)
        limits = Limits(until=datetime.now(UTC) + timedelta(seconds=1.5), max_load=limit)
        result = await asyncio.wait_for(maintain(target, limits=limits, record=False), 15)
        await run(target, f"SELECT pg_terminate_backend({other.get_server_pid()})", as_owner=False)
        await asyncio.gather(working, return_exceptions=True)
    assert result.done == ()
    assert result.left == 1
    assert reason in result.ended
    assert result.exit_code is Exit.FOUND


async def test_in_the_end_all_is_done_what_a_crash_left_first(target: orion_db.Target) -> None:
    async with held_up(target), session(target) as crashing:
        breaking = asyncio.create_task(crashing.execute(REINDEX))
        await until(lambda: is_rebuilding(target))
        await run(
            target, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = '{REINDEX}'", as_owner=False
        )
        await asyncio.gather(breaking, return_exceptions=True)
    assert await invalid_indexes(target) == [f"{BLOATED}_ccnew"]
    await run(
        target,
        "CREATE TABLE dead (id integer PRIMARY KEY) WITH (autovacuum_enabled = off)",
        "INSERT INTO dead SELECT generate_series(1, 5000)",
        "DELETE FROM dead WHERE id > 500",
        "DO $$ DECLARE last text := (SELECT max(relname) FROM pg_class WHERE relname ~ '^outbox_y' AND relkind = 'r');"
        " BEGIN EXECUTE format('ALTER TABLE outbox DETACH PARTITION %I', last);"
        " EXECUTE format('DROP TABLE %I', last); END $$",
    )
    await until(lambda: nobody_looks_back(target))
    result = await maintain(target)
    assert [treatment for treatment in result.done if not treatment.cured] == []
    assert [treatment.object for treatment in result.done[:4]] == [f"{BLOATED}_ccnew", "outbox", "dead", BLOATED]
    assert result.exit_code is Exit.OK
    assert await history_of(target) == [result.score]
    await nothing_is_due(target)


async def nothing_is_due(target: orion_db.Target) -> None:
    again: Maintenance = await maintain(target, dry_run=True)
    assert again.due == ()
    assert again.in_words() == ["nothing due"]
