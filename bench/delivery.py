"""How fast notifications are queued, taken and written back, and how soon one is picked up. Prints JSON.

    python bench/delivery.py [enqueue|drain|render|latency ...] [--messages 200000] [--workers 2] [--url URL]

`enqueue` records whole notifications, with content, and queues them, in batches, two at a time. `drain` has workers,
each a process of its own, take them, hand them to a channel that does nothing, and write record, attempt and status
back. `render` does the same with messages of a seeded template. `latency` sends 50 a second and tells the time from
just before the transaction that records one to the channel's function.

On an embedded PostgreSQL of `SETTINGS`, durable (fsync and synchronous_commit on), whose log is in use (`use_log`), or
on that of `--url`.
"""

import argparse
import asyncio
import gc
import json
import multiprocessing
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.local.postgres import start
from orion_core.sealing import Keyring
from orion_core.service import installed_services, service_role
from orion_core.statement import driver_of
from orion_core.wakeup import Wakeup
from orion_db import Target, initialize
from orion_notifications.delivery.actions import GENERIC_PLANS, QUEUE_CHANNEL, enqueue, enqueue_many
from orion_notifications.delivery.dispatch import Dispatcher, Pace
from orion_notifications.delivery.messages import Message, Receipt
from orion_notifications.delivery.rules import Next, Waiting
from orion_notifications.kinds import Channel, Priority

BATCH = 5_000
RATE = 50
SECONDS = 20
SETTINGS = {
    "shared_buffers": "1GB",
    "min_wal_size": "4GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "jit": "off",
}
LOG_FILES = 128
"""Of 16 MB."""
CONTENT = ("Hello, your order is on its way, and will be with you on Tuesday. " * 10)[:500]
KIND = ["id", "user_id", "type", "category", "channel", "priority"]
COLUMNS = [*KIND, "recipient", "subject", "content", "variables", "queued_at"]
KEYRING = Keyring.parse(Keyring.new_key("bench"))


def connect(url: str, settings: dict[str, str] | None = None) -> Database:
    """As the service does, and with these settings as a worker does."""
    role = service_role("notifications")
    return Database.connect(url, role=role, application="bench", pool_size=4, server_settings=settings)


def records(count: int, first: int, template: asyncpg.Record | None) -> list[tuple[Any, ...]]:
    """Whole notifications as COPY takes them."""
    now = datetime.now(UTC)
    user = uuid7()
    kind = ("bench.message", "TRANSACTIONAL", "WEBHOOK", "NORMAL")
    content = CONTENT if template is None else None
    more = () if template is None else (template["id"], template["version"], "en", "UTC")
    variables = json.dumps({"order": first} if template is None else json.loads(template["sample"]))
    return [
        (uuid7(), user, *kind, f"user{n}@example.com", f"Order {n}", content, variables, now, *more)
        for n in range(first, first + count)
    ]


async def fill(
    url: str, messages: int, template: asyncpg.Record | None = None, priority: Priority = Priority.NORMAL
) -> float:
    """Record and queue that many, in batches, each a transaction, two at a time; how long it took."""
    database, queue = connect(url), Wakeup(url, QUEUE_CHANNEL)
    columns = COLUMNS if template is None else [*COLUMNS, "template_id", "template_version", "locale", "timezone"]
    batches = iter(range(0, messages, BATCH))

    async def produce() -> None:
        for first in batches:
            rows = records(min(BATCH, messages - first), first, template)
            async with database.transaction() as transaction:
                driver: Any = await driver_of(transaction.connection)
                await driver.copy_records_to_table("notifications", records=rows, columns=columns)
                waiting = [Waiting(row[0], Channel.WEBHOOK, priority) for row in rows]
                await enqueue_many(transaction, queue, waiting)

    try:
        gc.collect()
        gc.freeze()  # as the services do
        began = time.perf_counter()
        await asyncio.gather(produce(), produce())
        return time.perf_counter() - began
    finally:
        await database.close()


class NoOp:
    """A channel that does nothing but count, and note when."""

    def __init__(self) -> None:
        self.count = 0
        self.at: dict[UUID, float] = {}
        self.notes = False

    def __call__(self, message: Message) -> Receipt:
        self.count += 1
        if self.notes:
            self.at[message.id] = time.perf_counter()
        return Receipt(Next.SENT, "noop")


@asynccontextmanager
async def worker(url: str, channel: NoOp) -> AsyncGenerator[None]:
    """A worker as `orion_notifications.worker` wires it, with that channel."""
    database, queue, stop = connect(url, GENERIC_PLANS), Wakeup(url, QUEUE_CHANNEL), asyncio.Event()
    dispatcher = Dispatcher(
        database=database,
        queue=queue,
        keyring=KEYRING,
        channels={},
        at_once={Channel.WEBHOOK: channel},
        clock=system_clock,
        pace=Pace(),
    )
    tasks = [asyncio.create_task(queue.run(stop)), asyncio.create_task(dispatcher.run(stop))]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)
        await database.close()


def work(url: str, ready: Any, go: Event, done: Event) -> None:
    """A process that works until it is told that nothing is left."""

    async def run() -> None:
        gc.collect()
        gc.freeze()  # as `orion worker` does
        ready.release()
        await asyncio.to_thread(go.wait)
        async with worker(url, NoOp()):
            await asyncio.to_thread(done.wait)

    uvloop.run(run())


async def use_log(url: str) -> None:
    """Have the server make files of its log, and use them again, as one does that has been in use for an hour.

    A new one fills each with zeros before it writes there, which takes a tenth from what is measured.
    """
    connection = await asyncpg.connect(url)
    for _ in range(LOG_FILES):
        await connection.execute("SELECT pg_logical_emit_message(true, 'bench', 'full')")
        await connection.execute("SELECT pg_switch_wal()")
    await connection.execute("CHECKPOINT")
    await connection.close()


async def drain(url: str, workers: int) -> float:
    """Have that many processes take all that waits; how long it took."""
    context = multiprocessing.get_context("spawn")
    ready, go, done = context.Semaphore(0), context.Event(), context.Event()
    processes = [context.Process(target=work, args=(url, ready, go, done)) for _ in range(workers)]
    for process in processes:
        process.start()
    for _ in processes:
        await asyncio.to_thread(ready.acquire)
    connection = await asyncpg.connect(url)
    await connection.execute("VACUUM ANALYZE notifications")
    await connection.execute("VACUUM ANALYZE notification_queue")
    await connection.execute("CHECKPOINT")
    began = time.perf_counter()
    go.set()
    # Seldom, since looking walks over what has left: done fifty times a second it took a twentieth of a processor.
    while await connection.fetchval("SELECT EXISTS (SELECT FROM notification_queue)"):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    took = time.perf_counter() - began
    done.set()
    for process in processes:
        await asyncio.to_thread(process.join, 20)
    await connection.close()
    return took


async def latency(url: str) -> dict[str, Any]:
    """From just before the transaction to the channel."""
    database, queue, stop = connect(url), Wakeup(url, QUEUE_CHANNEL), asyncio.Event()
    ringing = asyncio.create_task(queue.run(stop))
    channel = NoOp()
    channel.notes = True
    began: dict[UUID, float] = {}

    async def send() -> None:
        row = records(1, 0, None)[0]
        began[row[0]] = time.perf_counter()
        async with database.transaction() as transaction:
            driver = await driver_of(transaction.connection)
            names = ", ".join(f"${n}" for n in range(1, len(row) + 1))
            await driver.fetch(f"INSERT INTO notifications ({', '.join(COLUMNS)}) VALUES ({names})", *row)
            await enqueue(transaction, queue, notification_id=row[0], priority=Priority.NORMAL)

    parent, child = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=note, args=(url, child))
    process.start()
    await asyncio.to_thread(parent.recv)
    await asyncio.sleep(1)
    start_at, sending = time.perf_counter(), set[asyncio.Task[None]]()
    for n in range(RATE * SECONDS):
        await asyncio.sleep(max(0.0, start_at + n / RATE - time.perf_counter()))
        sending.add(asyncio.create_task(send()))
    await asyncio.gather(*sending)
    await asyncio.sleep(1)
    parent.send("stop")
    at = await asyncio.to_thread(parent.recv)
    process.join(20)
    stop.set()
    await ringing
    await database.close()
    return {"messages": len(began), **percentiles([at[id] - moment for id, moment in began.items()])}


def percentiles(seconds: list[float]) -> dict[str, float]:
    """In milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    figures = {"p50_ms": cuts[49], "p99_ms": cuts[98], "max_ms": max(seconds)}
    return {name: round(value * 1000, 2) for name, value in figures.items()}


def note(url: str, pipe: Any) -> None:
    """A worker's process that tells when it got which message (perf_counter is one clock for all processes)."""

    async def run() -> None:
        channel = NoOp()
        channel.notes = True
        async with worker(url, channel):
            pipe.send("ready")
            await asyncio.to_thread(pipe.recv)
        pipe.send(channel.at)

    uvloop.run(run())


async def measure(url: str, wanted: list[str], messages: int, workers: int) -> dict[str, Any]:
    """Those that are wanted, each on a queue that is empty before it."""
    figures: dict[str, Any] = {"workers": workers, "messages": messages}
    if {"enqueue", "drain"} & set(wanted):
        figures["enqueue_per_second"] = round(messages / await fill(url, messages))
    if "drain" in wanted:
        figures["drain_per_second"] = round(messages / await drain(url, workers))
        connection = await asyncpg.connect(url)
        count = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM notifications WHERE status = 'SENT') AS sent,"
            " (SELECT count(*) FROM delivery_attempts WHERE status = 'SUCCESS') AS attempts"
        )
        await connection.close()
        figures["drained"] = dict(count or {})
    if "render" in wanted:
        connection = await asyncpg.connect(url)
        template = await connection.fetchrow(TEMPLATE)
        await connection.close()
        rendered = messages // 4
        await fill(url, rendered, template)
        figures["render_per_second"] = round(rendered / await drain(url, workers))
        connection = await asyncpg.connect(url)
        figures["not_rendered"] = await connection.fetchval(
            "SELECT count(*) FROM notifications WHERE status = 'FAILED'"
        )
        await connection.close()
    if "latency" in wanted:
        figures["pick_up"] = await latency(url)
    return figures


TEMPLATE = """
SELECT t.id, t.published_version AS version, '{"name": "Ada", "product_name": "Orion"}' AS sample FROM templates t
WHERE t.name = 'welcome_in_app'
"""


async def main(wanted: list[str], messages: int, workers: int, url: str | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        server = None
        if url is None:
            Path(folder).chmod(0o755)
            server = start(Path(folder) / "postgres", durable=True)
            url = server.admin_url
        try:
            base, _, name = url.rpartition("/")
            admin = await asyncpg.connect(url)
            for setting, value in SETTINGS.items() if server else ():
                await admin.execute(f"ALTER SYSTEM SET {setting} = '{value}'")
            await admin.close()
            if server:
                server.stop("fast")
                server = start(Path(folder) / "postgres", durable=True)
                base = server.admin_url.rpartition("/")[0]
            mine = f"{base}/bench_{secrets.token_hex(4)}"
            await initialize(Target(installed_services()["notifications"], mine, mine))
            if server:
                await use_log(mine)
            try:
                return await measure(mine, wanted, messages, workers)
            finally:
                if server is None:
                    admin = await asyncpg.connect(f"{base}/{name}")
                    await admin.execute(f'DROP DATABASE "{mine.rpartition("/")[2]}" WITH (FORCE)')
                    await admin.close()
        finally:
            if server:
                server.stop("immediate")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", choices=["enqueue", "drain", "render", "latency"])
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--url")
    options = parser.parse_args()
    what = options.what or ["drain", "render", "latency"]
    print(json.dumps(asyncio.run(main(what, options.messages, options.workers, options.url)), indent=2))
