"""`orion db prune`: counts without changing, removes with words, stops and is killed without harm."""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from orion_core.retention.batches import PRUNING_LOCK, Pace
from orion_core.service import installed_services
from orion_core.testing.plugin import MakeDatabase
from orion_db.errors import Exit, Problem
from orion_db.progress import Step
from orion_db.prune import prune
from orion_db.targets import Target

AUTH = installed_services()["auth"]
SLOW = Pace(first=10, largest=10, rest=3)


@pytest.fixture
async def target(make_database: MakeDatabase) -> Target:
    made = await make_database("auth")
    return Target(AUTH, made.url, made.owner_url)


@pytest.fixture
async def owner(target: Target) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(target.owner_url)
    yield connection
    await connection.close()


async def refuse(owner: asyncpg.Connection, count: int, age: timedelta = timedelta(days=3)) -> None:
    await owner.execute(
        "INSERT INTO session_blacklist (session_id, reason, revoked_at, expires_at)"
        " SELECT gen_random_uuid(), 'x', $2::timestamptz - interval '1 day', $2::timestamptz + n * interval '1 ms'"
        " FROM generate_series(1, $1) AS n",
        count,
        datetime.now(UTC) - age,
    )


async def left(owner: asyncpg.Connection) -> int:
    return await owner.fetchval("SELECT count(*) FROM session_blacklist")


async def test_a_dry_run_counts_and_changes_nothing(target: Target, owner: asyncpg.Connection) -> None:
    await refuse(owner, 30)
    await refuse(owner, 3, timedelta())
    written = await owner.fetchval("SELECT sum(n_tup_del) FROM pg_stat_user_tables")
    found = await prune(target, dry_run=True)
    assert {table.table: table.due for table in found.tables if table.due} == {"session_blacklist": 30}
    assert found.in_words()[0] == "30 rows due"
    assert found.in_words()[1].startswith("session_blacklist: 30 rows, the oldest of ")
    assert (found.exit_code, found.dry_run, await left(owner)) == (Exit.OK, True, 33)
    assert await owner.fetchval("SELECT sum(n_tup_del) FROM pg_stat_user_tables") == written
    json.dumps(found.as_json())


async def test_a_run_removes_it_and_tells_how(target: Target, owner: asyncpg.Connection) -> None:
    await refuse(owner, 30)
    steps: list[Step] = []
    done = await prune(target, pace=Pace(first=10, largest=10, rest=0), progress=steps.append)
    shares = [step.share for step in steps if step.what.startswith("pruning session_blacklist")]
    assert shares[:3] == [pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0]
    assert done.in_words()[0] == "30 rows removed"
    assert "session_blacklist: 30 rows in " in done.in_words()[1]
    assert (await prune(target)).in_words() == ["nothing removed"]
    assert await left(owner) == 0


async def test_one_table_alone_and_another_retention(target: Target, owner: asyncpg.Connection) -> None:
    await refuse(owner, 5)
    assert (await prune(target, table="rate_limits")).tables[0].table == "rate_limits"
    assert (await prune(target, overrides={"session_blacklist": "4 days"})).in_words() == ["nothing removed"]
    assert (await prune(target, table="session_blacklist")).tables[0].rows == 5


@pytest.mark.parametrize(
    ("overrides", "table", "code"),
    [
        ({"outbox": "1 day"}, None, "retention_unreadable"),
        ({"nothing": "1 day"}, None, "retention_unreadable"),
        ({}, "identities", "no_retention"),
        ({}, "nothing", "no_retention"),
    ],
)
async def test_what_cannot_be_done(target: Target, overrides: dict[str, str], table: str | None, code: str) -> None:
    with pytest.raises(Problem) as raised:
        await prune(target, overrides=overrides, table=table)
    assert (raised.value.code, raised.value.exit_code) == (code, Exit.USAGE)


async def test_two_at_once_share_the_work_or_one_leaves(target: Target, owner: asyncpg.Connection) -> None:
    await refuse(owner, 200)
    both = await asyncio.gather(prune(target, pace=SLOW), prune(target, pace=SLOW))
    assert sum(table.rows for done in both for table in done.tables) == 200
    assert await left(owner) == 0


async def test_who_holds_the_lock_is_waited_for(
    target: Target, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owner.execute("SELECT pg_advisory_lock($1)", PRUNING_LOCK)
    monkeypatch.setattr("orion_db.prune.WAIT_SECONDS", 0.1)
    with pytest.raises(Problem) as raised:
        await prune(target)
    assert (raised.value.code, raised.value.exit_code) == ("locked", Exit.LOCKED)
    await owner.execute("SELECT pg_advisory_unlock_all()")


@pytest.mark.parametrize("newer", ["FUNCTION drop_oldest_partition", "SEQUENCE outbox_pruned"])
async def test_a_database_of_an_older_version_is_told_so(target: Target, owner: asyncpg.Connection, newer: str) -> None:
    await owner.execute(f"DROP {newer}")
    with pytest.raises(Problem) as raised:
        await prune(target)
    assert raised.value.code == "not_deployed"


async def test_it_stops_after_the_batch_in_hand(target: Target, owner: asyncpg.Connection) -> None:
    await refuse(owner, 50)
    stop = asyncio.Event()

    def tell(step: Step) -> None:
        if step.what.startswith("pruning session_blacklist"):
            stop.set()

    done = await prune(target, progress=tell, stop=stop, pace=SLOW)
    assert (done.ended, done.exit_code, await left(owner)) == ("stopped", Exit.FOUND, 40)
    assert "stopped, the next run goes on" in done.in_words()[0]


COMMAND = [sys.executable, "-m", "orion_cli", "db", "prune", "auth", "--json"]


def environment(target: Target, **more: str) -> dict[str, str]:
    urls = {"AUTH_DATABASE_URL": target.url, "AUTH_DATABASE_OWNER_URL": target.owner_url}
    return {"PATH": os.environ["PATH"], **urls, **more}


async def test_the_command(target: Target, owner: asyncpg.Connection) -> None:
    await refuse(owner, 3)

    def command(*words: str, **more: str) -> tuple[int, dict[str, object]]:
        command = [*COMMAND, *words]
        done = subprocess.run(command, env=environment(target, **more), capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout)

    code, document = command("--table", "session_blacklist", "--dry-run")
    assert (code, document["services"][0]["tables"][0]["due"]) == (0, 3)  # pyright: ignore[reportIndexIssue, reportUnknownVariableType]
    code, document = command(AUTH_RETENTION='{"session_blacklist": "1 day"')
    assert (code, document["problem"]["code"]) == (3, "retention_unreadable")  # pyright: ignore[reportIndexIssue, reportUnknownVariableType]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_killed_run_leaves_whole_rows_and_the_next_goes_on(
    target: Target, owner: asyncpg.Connection, number: signal.Signals
) -> None:
    await refuse(owner, 60_000)
    process = await asyncio.create_subprocess_exec(*COMMAND, env=environment(target), stdout=subprocess.PIPE)
    for _ in range(3_000):
        if await left(owner) < 60_000:
            break
        await asyncio.sleep(0.01)
    process.send_signal(number)
    output = (await process.communicate())[0]
    if number is signal.SIGTERM:
        assert (process.returncode, json.loads(output)["services"][0]["ended"]) == (Exit.FOUND, "stopped")
    remaining = await left(owner)
    assert 0 < remaining < 60_000
    done = await prune(target, pace=Pace(largest=50_000, rest=0))
    assert sum(table.rows for table in done.tables) == remaining
    assert await left(owner) == 0


@pytest.mark.slow
async def test_who_writes_meanwhile_hardly_notices_and_memory_does_not_grow(
    target: Target, owner: asyncpg.Connection
) -> None:
    """What bench/prune.py measures with a million rows; here the order of things: 100,000 go while others come."""
    await refuse(owner, 100_000)
    stop, times = asyncio.Event(), list[float]()

    async def insert() -> None:
        writer = await asyncpg.connect(target.url)
        while not stop.is_set():
            began = time.perf_counter()
            await refuse(writer, 1, timedelta())
            times.append(time.perf_counter() - began)
            await asyncio.sleep(0.002)
        await writer.close()

    traced: list[int] = []

    def tell(step: Step) -> None:
        if step.what.startswith("pruning session_blacklist"):
            traced.append(tracemalloc.get_traced_memory()[0])

    writing = asyncio.create_task(insert())
    tracemalloc.start()
    try:
        done = await prune(target, pace=Pace(largest=1_000), progress=tell)
    finally:
        tracemalloc.stop()
        stop.set()
        await writing
    assert sum(table.rows for table in done.tables) == 100_000
    assert await left(owner) == len(times) > 50
    assert max(traced[len(traced) // 2 :]) - max(traced[: len(traced) // 2]) < 200_000
    assert statistics.median(times) < 0.05, "an insert never waits for more than a batch"
