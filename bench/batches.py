"""How long a batch takes: its file uploaded over a socket, its messages made and put into inboxes by workers, all
counted; and how soon it heeds a pause, goes on and is taken back. Prints JSON.

PostgreSQL waits for its disk. Workers are processes of their own, as `orion worker` starts them; an inbox is a channel
that does nothing. Beside the upload the service is asked for its health every 10 ms: how long that waits tells what
others feel of it.

    python bench/batches.py [recipients]
"""

import asyncio
import json
import logging
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import httpx
import structlog
from sending import SERVICE, as_shop, settings_of
from sqlalchemy import TextClause, text
from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_core.database import Database
from orion_core.http.embedded import serving
from orion_core.local import postgres
from orion_core.testing import client_of_nobody
from orion_core.testing.databases import Databases
from orion_notifications.app import build
from orion_notifications.worker import work

PATH = "/notifications/v1/batches"
BATCH = {"name": "Bench", "type": "bench.batch", "template": "welcome_in_app", "channel": "IN_APP"}
WORKERS = 2
SENT = text("SELECT count(*) FROM notifications WHERE status = 'DELIVERED'")
ONCE = text("SELECT count(*) = count(DISTINCT user_id) FROM notifications WHERE batch_id = :id")
LEFT = text("SELECT (SELECT count(*) FROM notification_queue) + (SELECT count(*) FROM batch_recipients)")
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


def deliver(url: str, done: Event) -> None:
    """A worker's process."""

    async def run() -> None:
        stop = asyncio.Event()
        working = asyncio.create_task(work(settings_of(url), stop))
        await asyncio.to_thread(done.wait)
        stop.set()
        await working

    asyncio.run(run())


@contextmanager
def workers(url: str) -> Generator[None]:
    """Processes that look after batches and deliver, meanwhile."""
    context = multiprocessing.get_context("spawn")
    done = context.Event()
    processes = [context.Process(target=deliver, args=(url, done)) for _ in range(WORKERS)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        done.set()
        for process in processes:
            process.join(20)


@dataclass(frozen=True)
class Watched:
    """A batch, as it is seen from outside and in the database."""

    http: httpx.AsyncClient
    database: Database
    path: str

    async def become(self, status: str) -> float:
        """Ask for it; how long that took."""
        began = time.perf_counter()
        (await self.http.patch(self.path, json={"status": status})).raise_for_status()
        return round(time.perf_counter() - began, 3)

    async def until(self, *, fed: int = 0, status: str | None = None) -> float:
        """Wait until so many are messages, or it stands there; how long that took."""
        began = time.perf_counter()
        while True:
            seen = (await self.http.get(self.path)).json()
            if seen["fed_count"] >= fed and status in (None, seen["status"]):
                return round(time.perf_counter() - began, 1)
            await asyncio.sleep(0.1)

    async def counted(self, statement: TextClause) -> int:
        """A count, or whether something holds."""
        async with self.database.autocommit() as connection:
            values = {"id": self.path.rpartition("/")[2]} if statement is ONCE else {}
            return (await connection.execute(statement, values)).scalar_one()


async def send(batch: Watched, count: int) -> dict[str, Any]:
    """All of them, with a pause when a quarter is on its way."""
    await batch.become("RUNNING")
    began = time.perf_counter()
    await batch.until(fed=count // 4)
    asked = await batch.become("PAUSED")
    before = await batch.counted(SENT)
    await asyncio.sleep(3)
    after = await batch.counted(SENT)
    fed = (await batch.http.get(batch.path)).json()["fed_count"]
    await batch.become("RUNNING")
    paused = {"asked_seconds": asked, "delivered_after_it": after - before}
    paused["goes_on_after_seconds"] = await batch.until(fed=fed + 1)
    await batch.until(fed=count)
    made = time.perf_counter() - began - 3
    await batch.until(status="COMPLETED")
    whole = time.perf_counter() - began - 3
    return {
        "made_per_second": round(count / made),
        "delivered_per_second": round(count / whole),
        "seconds": round(whole, 1),
        "pause": paused,
        "each_once": await batch.counted(ONCE),
    }


async def cancel(batch: Watched, count: int) -> dict[str, Any]:
    """Half of them, then it is taken back."""
    await batch.become("RUNNING")
    await batch.until(fed=count // 2)
    asked = await batch.become("CANCELLED")
    before = await batch.counted(SENT)
    began = time.perf_counter()
    while await batch.counted(LEFT):  # noqa: ASYNC110 - others do it
        await asyncio.sleep(0.1)
    seconds = round(time.perf_counter() - began, 1)
    delivered = await batch.counted(SENT) - before
    return {"recipients": count, "asked_seconds": asked, "all_gone_after": seconds, "delivered_after_it": delivered}


async def run(admin_url: str, count: int) -> dict[str, Any]:
    """Serve, upload, send, count, take back."""
    async with Databases(admin_url).clone("notifications", seeded=True) as made:
        database = Database.connect(made.url, role=SERVICE.service_role, application="bench")
        application = build(settings_of(made.url), client_of_nobody())
        application.state.components = replace(application.state.components, authenticate=as_marketing)
        async with (
            serving(application, "127.0.0.1", 0) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": "Bearer x"}) as http,
        ):
            path, uploading = await upload(http, count)
            sys.stderr.write(f"{uploading}\n")
            with workers(made.url):
                sending = await send(Watched(http, database, path), count)
                sys.stderr.write(f"{sending}\n")
                began = time.perf_counter()
                (await http.get(f"{path}/report", timeout=60)).raise_for_status()
                report = round(time.perf_counter() - began, 2)
                shorter, _ = await upload(http, count // 5)
                cancelling = await cancel(Watched(http, database, shorter), count // 5)
            largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        await database.close()
    return {
        "recipients": count,
        "upload": uploading,
        "sending": sending,
        "report_seconds": report,
        "cancel": cancelling,
        "largest_worker_mib": largest,
    }


def main() -> None:
    """Measure, and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        server = postgres.start(Path(folder) / "postgres", durable=True)
        try:
            figures = asyncio.run(run(server.admin_url, count))
        finally:
            server.stop("immediate")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
