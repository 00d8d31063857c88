"""How long a batch takes: its file uploaded over a socket, a message made of each recipient, all counted. Prints JSON.

PostgreSQL waits for its disk. Nothing is sent: what is queued is taken away as workers would, for a batch makes no more
messages while many wait. Beside the upload the service is asked for its health every 10 ms: how long that waits tells
what others feel of it.

    python bench/batches.py [recipients]
"""

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from sending import SERVICE, as_shop, settings_of
from sqlalchemy import text
from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.http.embedded import serving
from orion_core.local import postgres
from orion_core.testing import client_of_nobody
from orion_core.testing.databases import Databases
from orion_notifications.app import build
from orion_notifications.batches.feeding import look

PATH = "/notifications/v1/batches"
BATCH = {"name": "Bench", "type": "bench.batch", "template": "welcome_in_app", "channel": "IN_APP"}
WAITING = text("SELECT count(*) FROM batch_recipients")
DRAIN = text("DELETE FROM notification_queue")
NAMES = {"name": "Ada", "product_name": "Orion"}


async def as_marketing(request: Request) -> AccessClaims:
    """A service's key that may do all with batches."""
    scope = "notification:send notification:read notification:update"
    return (await as_shop(request)).model_copy(update={"scope": scope})


async def lines(count: int) -> AsyncGenerator[bytes]:
    """The file: users whom the service does not know, so that all is decided and nothing refused before."""
    for first in range(0, count, 1000):
        ids = (f"01900000-0000-7000-8000-{number:012x}" for number in range(first, min(first + 1000, count)))
        yield b"".join(json.dumps({"user_id": each, "variables": NAMES}).encode() + b"\n" for each in ids)


async def ask_for_health(http: httpx.AsyncClient, waited: list[float]) -> None:
    """Milliseconds of answers, until it is cancelled."""
    while True:
        began = time.perf_counter()
        (await http.get("/livez")).raise_for_status()
        waited.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.01)


async def upload(http: httpx.AsyncClient, count: int) -> tuple[str, dict[str, Any]]:
    """A draft with all recipients, and what that took."""
    made = await http.post(PATH, json=BATCH)
    made.raise_for_status()
    path, waited = made.headers["Location"], list[float]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    beside = asyncio.create_task(ask_for_health(http, waited))
    began = time.perf_counter()
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await http.put(f"{path}/recipients", content=lines(count), headers=headers, timeout=None)
    seconds = time.perf_counter() - began
    beside.cancel()
    assert answer.json()["recipient_count"] == count, answer.text
    waited.sort()
    return path, {
        "seconds": round(seconds, 1),
        "per_second": round(count / seconds),
        "memory_grew_by_mib": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024),
        "health_p99_ms": round(waited[int(len(waited) * 0.99)], 1),
    }


async def make_messages(application: Any, database: Database, count: int) -> dict[str, Any]:
    """Messages of all, and what that took."""
    began, making = time.perf_counter(), 0.0
    desk = application.state.components.desk
    while True:
        before = time.perf_counter()
        while await look(database, desk, system_clock()):
            pass
        making += time.perf_counter() - before
        async with database.autocommit() as connection:
            if (await connection.execute(WAITING)).scalar_one() == 0:
                break
            await connection.execute(DRAIN)
        await asyncio.sleep(0.05)
    return {"per_second_while_making": round(count / making), "seconds": round(time.perf_counter() - began, 1)}


async def run(admin_url: str, count: int) -> dict[str, Any]:
    """Serve, upload, make, count."""
    async with Databases(admin_url).clone("notifications", seeded=True) as made:
        database = Database.connect(made.url, role=SERVICE.service_role, application="bench")
        application = build(settings_of(made.url), client_of_nobody())
        application.state.components = replace(application.state.components, authenticate=as_marketing)
        async with (
            serving(application, "127.0.0.1", 0) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": "Bearer x"}) as http,
        ):
            path, uploading = await upload(http, count)
            (await http.patch(path, json={"status": "RUNNING"})).raise_for_status()
            making = await make_messages(application, database, count)
            began = time.perf_counter()
            (await http.get(f"{path}/report", timeout=60)).raise_for_status()
            report = round(time.perf_counter() - began, 2)
        await database.close()
    return {"recipients": count, "upload": uploading, "messages": making, "report_seconds": report}


def main() -> None:
    """Measure, and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        server = postgres.start(Path(folder) / "postgres", durable=True)
        try:
            figures = asyncio.run(run(server.admin_url, count))
        finally:
            server.stop("immediate")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
