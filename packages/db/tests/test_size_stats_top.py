"""What size, stats and top tell of a small database, as JSON and in words."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
import orjson
import pytest

import orion_db
from orion_db.connections import owner_connection
from orion_db.doctor.history import TableSize as SizeThen
from orion_db.doctor.history import record_checkup
from orion_db.observe.figures import bar, share, short, size, sparkline, table
from orion_db.observe.sample import Counters, Sample
from orion_db.observe.size import sizes
from orion_db.observe.statements import count_statements
from orion_db.observe.stats import stats
from orion_db.observe.top import compare, look_once

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

VISITS = '''
"""Visits, in two partitions."""
from alembic import op

phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TABLE visits (number integer PRIMARY KEY, note text) PARTITION BY RANGE (number)")
    op.execute("CREATE TABLE visits_low PARTITION OF visits FOR VALUES FROM (0) TO (3000)")
    op.execute("CREATE TABLE visits_default PARTITION OF visits DEFAULT")


def downgrade() -> None:
    op.execute("DROP TABLE visits")
'''


@pytest.fixture
async def visited(shop: "Shop") -> "Shop":
    """5,000 visits, some with notes too long for their row, and an ANALYZE."""
    shop.write("0003_visits", VISITS)
    await orion_db.initialize(shop.target)
    await shop.run(
        "INSERT INTO visits SELECT n, CASE WHEN n % 100 = 0 THEN repeat(gen_random_uuid()::text, 200) END "
        "FROM generate_series(1, 5000) AS n"
    )
    await shop.run("ANALYZE")
    return shop


async def test_sizes_fold_partitions_and_know_the_growth(visited: "Shop") -> None:
    found = await sizes(visited.target)
    visits = next(entry for entry in found.tables if entry.name == "visits")
    assert (visits.partitions, visits.rows, visits.grown_bytes) == (2, 5000, None)
    (whole,) = await visited.run(
        "SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree('visits') WHERE isleaf"
    )
    assert visits.bytes == whole[0] and min(visits.heap_bytes, visits.index_bytes, visits.toast_bytes) > 0
    assert found.compared_with is None and "orion db doctor" in found.in_words()[1]

    async with owner_connection(visited.target, "test") as connection, connection.begin():
        await record_checkup(connection, 100, [], {"visits": SizeThen(visits.bytes - 8192, 4000)})
    grown = await sizes(visited.target)
    assert grown.compared_with is not None and len(grown.course) == 2
    assert next(entry for entry in grown.tables if entry.name == "visits").grown_bytes == 8192
    assert any("+8.0 kB" in line for line in grown.in_words())
    unfolded = await sizes(visited.target, partitions=True)
    assert {"visits_low", "visits_default"} <= {entry.name for entry in unfolded.tables}
    document = orjson.loads(orjson.dumps(grown.as_json()))
    assert document["tables"][0].keys() >= {"name", "partitions", "heap_bytes", "index_bytes", "toast_bytes", "rows"}


async def test_stats_count_what_was_done(visited: "Shop") -> None:
    assert await count_statements(visited.admin_url)
    connection = await asyncpg.connect(visited.url())
    for number in (1, 2, 4000):
        await connection.fetch("SELECT note FROM visits WHERE number = $1", number)
    await connection.execute("UPDATE visits SET note = NULL WHERE number = 1")
    await connection.execute("SELECT pg_stat_force_next_flush()")
    await connection.close()
    found = await stats(visited.target, limit=1000)
    visits = next(entry for entry in found.tables if entry.name == "visits")
    assert (visits.inserted, visits.updated) == (5000, 1) and visits.index_scans >= 4
    key = next(entry for entry in found.indexes if entry.name == "visits_pkey")
    assert key.table == "visits" and key.scans >= 4 and key.bytes > 0
    assert found.statements is not None
    read = next(entry for entry in found.statements if entry.sql == "SELECT note FROM visits WHERE number = $1")
    assert (read.calls, read.rows) == (3, 3)
    assert orjson.loads(orjson.dumps(found.as_json()))["by"] == "total"
    for by in ("mean", "calls", "rows", "io"):
        assert (await stats(visited.target, by=by, limit=3)).statements
    assert any(line.startswith("visits ") for line in found.in_words())
    assert "shared_preload_libraries" in replace(found, statements=None).in_words()[-1]


async def test_top_shows_who_waits_for_whom(visited: "Shop") -> None:
    holder, waiter = await asyncpg.connect(visited.url()), await asyncpg.connect(visited.url())
    await holder.execute("BEGIN")
    await holder.execute("UPDATE visits SET note = 'held' WHERE number = 7")
    waiting = asyncio.create_task(waiter.execute("UPDATE visits SET note = 'wanted' WHERE number = 7"))
    try:
        found = await look_once(visited.target, 0.3)
    finally:
        await holder.execute("ROLLBACK")
        await waiting
        await holder.close()
        await waiter.close()
    blocked = next(session for session in found.sessions if session.blocked_by)
    assert blocked.waits_for == "Lock: transactionid" and "'wanted'" in blocked.sql
    (blocker,) = [session for session in found.sessions if session.pid in blocked.blocked_by]
    assert blocker.state == "idle in transaction"
    words = "\n".join(found.in_words())
    assert f"blocked by {blocker.pid}" in words and "blocks others" in words
    document = orjson.loads(orjson.dumps(found.as_json()))
    assert document["rates"].keys() >= {"commits", "rows_read", "wal_bytes", "temporary_bytes", "cache_hit"}
    assert document["connections"] >= 3


async def test_rates_are_of_a_second_and_a_reset_counts_from_nothing(shop: "Shop") -> None:
    def sample(taken: float, commits: int, hit: int, read: int) -> Sample:
        return Sample(taken, Counters(commits, 0, 0, 0, 0, hit, read, 0, 0, 0), 1, 100, (), (), None)

    found = compare(shop.target, sample(10, 100, 1000, 0), sample(12, 160, 1090, 10))
    assert (found.rates.commits, found.rates.blocks_read, found.rates.cache_hit) == (30, 5, 0.9)
    reset = compare(shop.target, sample(10, 100, 0, 0), sample(12, 8, 0, 0), found.course)
    assert reset.rates.commits == 4 and len(reset.course) == 2 and reset.rates.cache_hit is None


def test_figures() -> None:
    assert [size(count) for count in (0, 1023, 1024, 150 * 1024, 3 * 1024**3, -2048)] == [
        "0 B", "1023 B", "1.0 kB", "150 kB", "3.0 GB", "-2.0 kB",
    ]  # fmt: skip
    assert [short(count) for count in (7, 999, 1234, 250_000, 1.5e9)] == ["7", "999", "1.2k", "250k", "1.5G"]
    assert (share(1, 4), share(0, 0)) == ("25%", "–")
    assert (bar(1, 2, 4), bar(0, 0, 2), bar(9, 2, 2)) == ("██  ", "  ", "██")
    assert sparkline([0, 1, 2]) == "▁▄█" and sparkline([]) == ""
    assert table(("a", "b"), [("x", "10"), ("long", "2")]) == ["a      b", "x     10", "long   2"]
    assert table(("a",), []) == []
