"""Orion's queue as one of the peers that are measured in one run, on the PostgreSQL that all of them get.

    queue_driver.py setup|enqueue|drain|latency

Whole notifications, with content, as `bench/delivery.py` has them; two batches at a time, and two workers. Prints a
JSON line for each measurement.
"""

import asyncio
import json
import os
import sys
from typing import Any

import asyncpg
from delivery import drain, fill, latency

from orion_core.service import installed_services
from orion_db import Target, initialize

GIVEN = os.environ["DATABASE_URL"]
URL = f"{GIVEN}_own"
"""A database that Orion makes itself, as it makes any."""
MESSAGES = int(os.environ.get("BENCH_N", "100000"))
WORKERS = 2


async def measure(what: str) -> dict[str, Any]:
    """A line of the runner's."""
    if what == "enqueue":
        return {"metric": what, "value": round(MESSAGES / await fill(URL, MESSAGES)), "unit": "jobs/s", "n": MESSAGES}
    if what == "drain":
        took = await drain(URL, WORKERS)
        connection = await asyncpg.connect(URL)
        left = await connection.fetchval("SELECT count(*) FROM notifications WHERE status <> 'SENT'")
        await connection.close()
        return {"metric": what, "value": round(MESSAGES / took), "unit": "jobs/s", "n": MESSAGES, "left": left}
    found = await latency(URL)
    return {"metric": "pickup", "value": found["p50_ms"], "unit": "ms p50", "p99": found["p99_ms"]}


async def main(what: str) -> None:
    """Set up, or measure and print."""
    if what == "setup":
        connection = await asyncpg.connect(GIVEN)
        await connection.execute(f'DROP DATABASE IF EXISTS "{URL.rpartition("/")[2]}" WITH (FORCE)')
        await connection.close()
        await initialize(Target(installed_services()["notifications"], URL, URL))
    else:
        print(json.dumps(await measure(what)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
