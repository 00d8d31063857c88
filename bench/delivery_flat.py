"""Whether the queue stays as fast while somebody holds an old snapshot, and while a million messages wait. Prints JSON.

    python bench/delivery_flat.py snapshot [--seconds 120] [--rate 2000]
    python bench/delivery_flat.py backlog [--messages 1000000] [--seconds 30]

`snapshot`: notifications come and leave at a steady rate, a third of the time without, two thirds with a transaction
that holds a snapshot open, so that VACUUM may remove nothing. Told are the rate and the time to the channel's function
in each third, and how large the tables are. `backlog`: LOW ones wait, and 20 URGENT ones a second come in between.
"""

import argparse
import asyncio
import json
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from delivery import COLUMNS, connect, fill, note, percentiles, records

from orion_core.local.postgres import start
from orion_core.service import installed_services
from orion_core.statement import driver_of
from orion_core.wakeup import Wakeup
from orion_db import Target, initialize
from orion_notifications.delivery.actions import QUEUE_CHANNEL, enqueue_many
from orion_notifications.delivery.rules import Waiting
from orion_notifications.kinds import Channel, Priority

SIZES = """
SELECT relname, pg_total_relation_size(oid) / 1048576 AS megabytes FROM pg_class
WHERE relname IN ('notification_queue') ORDER BY 1
"""


class Sender:
    """Puts messages in at a steady rate, and remembers when."""

    def __init__(self, url: str, priority: Priority) -> None:
        self.database, self.queue = connect(url), Wakeup(url, QUEUE_CHANNEL)
        self.priority = priority
        self.began: dict[UUID, float] = {}

    async def send(self, rate: int, seconds: float) -> None:
        """Twenty times a second, as many as that makes."""
        began = time.perf_counter()
        for n in range(int(seconds * 20)):
            await asyncio.sleep(max(0.0, began + n / 20 - time.perf_counter()))
            rows: list[Any] = [(*row[:5], self.priority.name, *row[6:]) for row in records(max(1, rate // 20), n, None)]
            moment = time.perf_counter()
            self.began |= {row[0]: moment for row in rows}
            async with self.database.transaction() as transaction:
                driver: Any = await driver_of(transaction.connection)
                await driver.copy_records_to_table("notifications", records=rows, columns=COLUMNS)
                waiting = [Waiting(row[0], Channel.WEBHOOK, self.priority) for row in rows]
                await enqueue_many(transaction, self.queue, waiting)


async def snapshot(url: str, rate: int, seconds: float) -> dict[str, Any]:
    """A third without, two thirds with."""
    sender, holder = Sender(url, Priority.NORMAL), await asyncpg.connect(url)
    stop = asyncio.Event()
    ringing = asyncio.create_task(sender.queue.run(stop))
    figures: dict[str, Any] = {"rate": rate}
    for name in ("without", "with_snapshot_first_half", "with_snapshot_second_half"):
        if name == "with_snapshot_first_half":
            await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            await holder.fetchval("SELECT count(*) FROM notification_queue")
        sender.began = {}
        with worker_process(url) as told:
            await asyncio.sleep(1)
            await sender.send(rate, seconds / 3)
            await asyncio.sleep(1)
            at = await told()
        took = [at[id] - moment for id, moment in sender.began.items() if id in at]
        rows = await sender_sizes(url)
        share = len(took) / len(sender.began)
        figures[name] = {"sent": len(sender.began), "left_within_a_second_share": round(share, 4)}
        figures[name] |= {"pick_up": percentiles(took), "megabytes": rows}
    await holder.execute("ROLLBACK")
    await holder.execute("VACUUM notification_queue")
    figures["after_vacuum_megabytes"] = await sender_sizes(url)
    stop.set()
    await ringing
    await sender.database.close()
    return figures


async def sender_sizes(url: str) -> dict[str, int]:
    """Of the queue with its indexes."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(SIZES)
    await connection.close()
    return {row["relname"]: int(row["megabytes"]) for row in rows}


class worker_process:  # noqa: N801 - used as a function
    """A worker in a process of its own that tells at the end when it got which message."""

    def __init__(self, url: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, child = context.Pipe()
        self.process = context.Process(target=note, args=(url, child))

    def __enter__(self) -> Any:
        self.process.start()
        self.pipe.recv()
        return self.told

    async def told(self) -> dict[UUID, float]:
        """Stop it, and ask."""
        self.pipe.send("stop")
        return await asyncio.to_thread(self.pipe.recv)

    def __exit__(self, *_: object) -> None:
        self.process.join(20)


async def backlog(url: str, messages: int, seconds: float) -> dict[str, Any]:
    """URGENT ones between a million LOW ones."""
    await fill(url, messages, priority=Priority.LOW)
    sender = Sender(url, Priority.URGENT)
    connection = await asyncpg.connect(url)
    await connection.execute("VACUUM ANALYZE notification_queue")
    await connection.execute("VACUUM ANALYZE notifications")
    stop = asyncio.Event()
    ringing = asyncio.create_task(sender.queue.run(stop))
    with worker_process(url) as told:
        await asyncio.sleep(1)
        began = time.perf_counter()
        await sender.send(20, seconds)
        lasted = time.perf_counter() - began
        left = await connection.fetchval("SELECT count(*) FROM notification_queue")
        at = await told()
    took = [at[id] - moment for id, moment in sender.began.items() if id in at]
    stop.set()
    await ringing
    await sender.database.close()
    await connection.close()
    low = len(at) - len(took)
    return {
        "low_waiting_at_the_end": left,
        "low_per_second": round(low / lasted),
        "urgent": {"sent": len(sender.began), "left": len(took), **percentiles(took)},
    }


def main(what: str, rate: int, seconds: float, messages: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = start(folder / "postgres", durable=True)
        try:
            url = f"{server.admin_url.rpartition('/')[0]}/orion_notifications"
            asyncio.run(initialize(Target(installed_services()["notifications"], url, url), seeds=False))
            return asyncio.run(snapshot(url, rate, seconds) if what == "snapshot" else backlog(url, messages, seconds))
        finally:
            server.stop("immediate")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["snapshot", "backlog"])
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--messages", type=int, default=1_000_000)
    options = parser.parse_args()
    print(json.dumps(main(options.what, options.rate, options.seconds, options.messages), indent=2))
