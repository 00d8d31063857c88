"""Whether anything is lost, stuck or doubled without a word while workers and PostgreSQL are killed. Prints JSON.

    python bench/delivery_kills.py [--kills 1000] [--crashes 20] [--workers 4] [--rate 1000]

Notifications come at a steady rate, for a channel that waits for nobody and for one that takes some milliseconds. Both
write down each message as it leaves, in a file that no kill takes back. Workers are killed by SIGKILL at any moment,
and others begin in their place; PostgreSQL is stopped as by a power cut (SIGQUIT) and started again. Then all is left
to come to its end and is counted. Ends with 1 if a message was lost, is stuck, broke an invariant, or left twice and
has no attempt whose outcome is unknown.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import structlog
from delivery import COLUMNS, KEYRING, connect, records
from sqlalchemy.exc import SQLAlchemyError

from orion_core.clock import system_clock
from orion_core.local.postgres import start
from orion_core.service import installed_services
from orion_core.statement import driver_of
from orion_core.wakeup import Wakeup
from orion_db import Target, initialize
from orion_notifications.delivery import invariants
from orion_notifications.delivery.actions import GENERIC_PLANS, QUEUE_CHANNEL, enqueue_many
from orion_notifications.delivery.dispatch import Dispatcher, Pace
from orion_notifications.delivery.messages import Message, Receipt
from orion_notifications.delivery.rules import Next, Waiting
from orion_notifications.kinds import Channel, Priority

PACE = Pace(slots=32, batch=200, lease_seconds=3, send_seconds=2, prepare_seconds=1, give_back_seconds=0.3)
EVERYTHING = 100_000_000


class Ledger:
    """What has left, a line each, with one write(2), which is done or not done."""

    def __init__(self, file: Path) -> None:
        self.file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def at_once(self, message: Message) -> Receipt:
        """A channel that waits for nobody."""
        os.write(self.file, f"{message.id}\n".encode())
        return Receipt(Next.SENT, "at-once")

    async def send(self, message: Message) -> Receipt:
        """A channel whose provider takes a while, before and after it has the message."""
        await asyncio.sleep(random.random() * 0.01)
        os.write(self.file, f"{message.id}\n".encode())
        await asyncio.sleep(random.random() * 0.01)
        return Receipt(Next.SENT, "slow", provider_message_id=str(message.id))


async def work(url: str, folder: Path) -> None:
    """A worker, until it is killed or told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database, queue, ledger = connect(url, GENERIC_PLANS), Wakeup(url, QUEUE_CHANNEL), Ledger(folder / "left")
    dispatcher = Dispatcher(
        database=database,
        queue=queue,
        keyring=KEYRING,
        channels={Channel.SMS: ledger.send},
        at_once={Channel.WEBHOOK: ledger.at_once},
        clock=system_clock,
        pace=PACE,
    )
    listening = asyncio.create_task(queue.run(stop))
    await dispatcher.run(stop)
    await listening
    await database.close()


async def load(url: str, folder: Path, rate: int) -> None:
    """Notifications at that rate until told to stop; what was committed is written down."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database, queue, ledger = connect(url), Wakeup(url, QUEUE_CHANNEL), Ledger(folder / "sent")
    ringing = asyncio.create_task(queue.run(stop))
    size = max(1, rate // 20)
    while not stop.is_set():
        began = time.monotonic()
        channel = Channel.SMS if random.random() < 0.2 else Channel.WEBHOOK
        rows: list[Any] = [(*row[:4], channel.name, *row[5:]) for row in records(size, 0, None)]
        with suppress(SQLAlchemyError, OSError):  # then it is not known whether they are there: they are not counted
            async with database.transaction() as transaction:
                driver: Any = await driver_of(transaction.connection)
                await driver.copy_records_to_table("notifications", records=rows, columns=COLUMNS)
                waiting = [Waiting(row[0], channel, random.choice(list(Priority))) for row in rows]
                await enqueue_many(transaction, queue, waiting)
            os.write(ledger.file, "".join(f"{row[0]}\n" for row in rows).encode())
        await asyncio.sleep(max(0.0, size / rate - (time.monotonic() - began)))
    await ringing
    await database.close()


def fork(run: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """A process that has everything imported already: a thousand of them are begun in a second or two."""
    pid = os.fork()
    if pid == 0:
        os.closerange(3, 1024)  # among them the lock on the data of PostgreSQL, which is the parent's
        code = 1
        try:
            structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
            asyncio.run(run())
            code = 0
        finally:
            os._exit(code)
    return pid


def torment(server: Any, data: Path, workers: list[int], begin: Callable[[], int], kills: int, crashes: int) -> Any:
    """Kill, begin anew, and pull the plug now and then."""
    crash_at = set(random.sample(range(kills), crashes))
    for number in range(kills):
        time.sleep(random.random() * 0.08)
        place = random.randrange(len(workers))
        os.kill(workers[place], signal.SIGKILL)
        os.waitpid(workers[place], 0)
        workers[place] = begin()
        if number in crash_at:
            port = server.port
            server.stop("immediate")
            server = start(data, port=port, durable=True)
    return server


async def settle(url: str, seconds: float) -> bool:
    """Wait until nothing waits any more."""
    connection = await asyncpg.connect(url)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM notification_queue)"):
            await connection.close()
            return True
        await asyncio.sleep(0.2)
    await connection.close()
    return False


async def count(url: str, folder: Path) -> dict[str, Any]:
    """What there is to be told."""
    sent = (folder / "sent").read_text().split()
    left = Counter((folder / "left").read_text().split())
    database = connect(url)
    async with database.autocommit() as connection:
        broken = dict(await invariants.broken(connection, EVERYTHING, 0))
    await database.close()
    connection = await asyncpg.connect(url)
    status = {row[0]: row[1] for row in await connection.fetch("SELECT id::text, status::text FROM notifications")}
    unknown = {row[0] for row in await connection.fetch(UNKNOWN)}
    by_status = Counter(status.values())
    tried = await connection.fetch("SELECT status::text, count(*) FROM delivery_attempts GROUP BY 1")
    await connection.close()
    doubled = [id for id, times in left.items() if times > 1]
    return {
        "confirmed": len(sent),
        "lost": sum(id not in left or status.get(id) != "SENT" for id in sent),
        "status": dict(by_status),
        "broken_invariants": broken,
        "left_twice_or_more": len(doubled),
        "of_these_without_an_unknown_attempt": sum(id not in unknown for id in doubled),
        "attempts": {row[0]: row[1] for row in tried},
    }


UNKNOWN = "SELECT DISTINCT notification_id::text FROM delivery_attempts WHERE status = 'UNKNOWN'"


def main(kills: int, crashes: int, workers: int, rate: int) -> int:
    with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = start(folder / "postgres", durable=True)
        processes: list[int] = []
        try:
            url = f"{server.admin_url.rpartition('/')[0]}/orion_notifications"
            asyncio.run(initialize(Target(installed_services()["notifications"], url, url), seeds=False))
            loader = fork(lambda: load(url, folder, rate))
            processes = [fork(lambda: work(url, folder)) for _ in range(workers)]
            time.sleep(1)
            began = time.monotonic()
            server = torment(
                server, folder / "postgres", processes, lambda: fork(lambda: work(url, folder)), kills, crashes
            )
            took = time.monotonic() - began
            os.kill(loader, signal.SIGTERM)
            os.waitpid(loader, 0)
            is_settled = asyncio.run(settle(url, 60))
            figures = asyncio.run(count(url, folder))
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            server.stop("immediate")
    figures = {"kills": kills, "crashes": crashes, "seconds": round(took, 1), "settled": is_settled} | figures
    print(json.dumps(figures, indent=2))
    wrong = figures["lost"] or figures["broken_invariants"] or figures["of_these_without_an_unknown_attempt"]
    return 1 if wrong or not is_settled else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--crashes", type=int, default=20)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rate", type=int, default=1000)
    options = parser.parse_args()
    sys.exit(main(options.kills, options.crashes, options.workers, options.rate))
