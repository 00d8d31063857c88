"""What an insert into a table costs while a million expired rows are removed from it. Prints JSON.

    python bench/prune.py [ROWS]

Inserts come at a steady rate on a connection of their own, as a service's do; the pruning runs in a process of its own,
as the background task of another copy of the service does. Both on one embedded PostgreSQL with its default settings
(fsync on). The pruning works in every other second only, so that whatever else the machine does meanwhile falls on the
inserts with it and on those without it alike.
"""

import asyncio
import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Database
from orion_core.local.postgres import start
from orion_core.retention.batches import Worker, transactions
from orion_core.retention.policy import read_policy
from orion_core.retention.prune import prune
from orion_core.service import installed_services, service_role
from orion_db import Target, initialize

AUTH = installed_services()["auth"]
TABLE = "session_blacklist"
INSERTS_PER_SECOND = 200
EDGE_SECONDS = 0.1
"""Inserts this close to the turn of a second count for neither."""

FILL = """
INSERT INTO session_blacklist (session_id, reason, revoked_at, expires_at)
SELECT gen_random_uuid(), 'signed_out', moment - interval '1 hour', moment
FROM generate_series($1::int, $2::int) AS n,
  LATERAL (SELECT now() - interval '40 days' + n * interval '2 s') AS m (moment)
"""
EXPIRED = f"SELECT count(*) FROM {TABLE} WHERE expires_at < now() - interval '1 day'"
INSERT = """
INSERT INTO session_blacklist (session_id, reason, expires_at)
VALUES (gen_random_uuid(), 'signed_out', now() + interval '30 days')
"""


async def main(rows: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = start(Path(folder) / "postgres", durable=True)
        try:
            base = server.admin_url.rpartition("/")[0]
            url = f"{base}/orion_auth"
            await initialize(Target(AUTH, url, url), seeds=False)
            return await measure(url, rows)
        finally:
            server.stop("immediate")


async def measure(url: str, rows: int) -> dict[str, Any]:
    """Fill the table, then insert alone, beside the pruning, and alone again."""
    connection = await asyncpg.connect(url)
    for first in range(1, rows + 1, 50_000):
        await connection.execute(FILL, first, min(first + 49_999, rows))
    await connection.execute(f"VACUUM ANALYZE {TABLE}")
    await connection.execute("CHECKPOINT")
    expired = await connection.fetchval(EXPIRED)
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=prune_process, args=(url, theirs))
    process.start()
    assert await asyncio.to_thread(ours.recv) == "ready"
    ours.send("go")
    done: asyncio.Future[dict[str, Any]] = asyncio.ensure_future(asyncio.to_thread(ours.recv))
    alone, beside = await insert_until(connection, done)
    process.join()
    left = await connection.fetchval(EXPIRED)
    await connection.close()
    return {
        "rows_expired": expired,
        "rows_left": left,
        "pruning": done.result(),
        "insert_alone": alone,
        "insert_beside_pruning": beside,
        "p99_more_ms": round(beside["p99_ms"] - alone["p99_ms"], 3),
    }


async def insert_until(
    connection: asyncpg.Connection, done: asyncio.Future[Any]
) -> tuple[dict[str, float], dict[str, float]]:
    """Insert at a steady rate until `done`; what it took in seconds without and with pruning."""
    times: tuple[list[float], list[float]] = ([], [])
    due = time.perf_counter()
    while not done.done():
        due = max(due + 1 / INSERTS_PER_SECOND, time.perf_counter())
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        moment, began = time.time(), time.perf_counter()
        await connection.execute(INSERT)
        if EDGE_SECONDS < moment % 1 < 1 - EDGE_SECONDS:
            times[open_now(moment)].append((time.perf_counter() - began) * 1000)
    return summary(times[False]), summary(times[True])


def open_now(moment: float) -> bool:
    """Whether this is a second of pruning."""
    return int(moment) % 2 == 0


def summary(times: list[float]) -> dict[str, float]:
    times.sort()
    return {
        "inserts": len(times),
        "p50_ms": round(statistics.median(times), 3),
        "p99_ms": round(times[int(len(times) * 0.99)], 3),
        "max_ms": round(times[-1], 3),
    }


def prune_process(url: str, pipe: Connection) -> None:
    pipe.send(asyncio.run(pruned(url, pipe)))


async def pruned(url: str, pipe: Connection) -> dict[str, Any]:
    """One run over the table; memory is looked at after the first hundredth of it and at its end."""
    database = Database.connect(url, role=service_role("auth"), application="bench", pool_size=2)
    policy = tuple(due for due in read_policy(AUTH.metadata) if due.table == TABLE)
    async with database.autocommit() as connection:
        now = (await connection.exec_driver_sql("SELECT now()")).scalar_one()
    batches: list[int] = []
    memory: list[tuple[int, int]] = []

    def told(_: str, rows: int) -> None:
        batches.append(rows)
        if len(batches) in (20, 200):
            memory.append((tracemalloc.get_traced_memory()[0], rss()))

    begin_now = transactions(database)

    @asynccontextmanager
    async def begin() -> AsyncGenerator[AsyncConnection]:
        while not open_now(time.time()):  # noqa: ASYNC110 - the clock says it
            await asyncio.sleep(0.001)
        async with begin_now() as connection:
            yield connection

    pipe.send("ready")
    pipe.recv()
    tracemalloc.start()
    began = time.perf_counter()
    run = await prune(policy, now, Worker(begin), told)
    seconds = time.perf_counter() - began
    memory.append((tracemalloc.get_traced_memory()[0], rss()))
    await database.close()
    return {
        "ended": run.ended,
        "rows": sum(batches),
        "seconds": round(seconds, 1),
        "rows_per_second": int(sum(batches) / seconds),
        "batches": len(batches),
        "largest_batch": max(batches),
        "traced_memory_growth_kib": (memory[-1][0] - memory[0][0]) // 1024,
        "resident_memory_growth_kib": memory[-1][1] - memory[0][1],
    }


def rss() -> int:
    """Largest resident memory so far, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)), indent=2))
