"""Whoever makes the messages of a batch may die at any moment: each recipient still becomes one message."""

import asyncio
import random
import signal
import sys
from typing import TYPE_CHECKING

from packages.notifications.tests.batches.test_batches import NDJSON, SCOPES, become, begin, people

from orion_core.database import Database
from orion_core.testing import MovableClock, TestDatabase
from orion_notifications.batches import store
from orion_notifications.batches.feeding import look, step
from orion_notifications.service import service

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Callers, Query, Until

    from orion_notifications.desk import Desk

FEEDER = """
import asyncio, sys
from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.sealing import Keyring
from orion_core.wakeup import Wakeup
from orion_notifications.batches.feeding import look
from orion_notifications.delivery.actions import QUEUE_CHANNEL
from orion_notifications.desk import Desk
async def work(database, desk):
    while True:
        await look(database, desk, system_clock())
asyncio.run(work(
    Database.connect(sys.argv[1], role=sys.argv[2], application="feeder"),
    Desk(Keyring.parse(Keyring.new_key("test")), Wakeup(sys.argv[1], QUEUE_CHANNEL)),
))
"""


async def test_whoever_is_killed_while_making_messages_makes_none_twice(
    caller: "Callers", database: Database, desk: "Desk", clock: MovableClock, query: "Query"
) -> None:
    """Several workers, each of which dies now and then at the end of a step, before the commit."""
    async with caller(SCOPES) as http:
        path = await begin(http, people(60), rate_per_second=10)
        await become(http, path, "RUNNING")
        deaths, dice = 0, random.Random(7)

        async def work() -> None:
            nonlocal deaths
            for _ in range(200):
                try:
                    async with database.transaction() as transaction:
                        batch = await store.due(transaction.connection, clock())
                        if batch is not None:
                            await step(transaction, desk, batch, clock())
                            if dice.random() < 0.3:
                                raise ConnectionResetError
                except ConnectionResetError:
                    deaths += 1
                clock.advance(seconds=1)
                if await query("SELECT count(*) FROM batch_recipients") == [(0,)]:
                    return

        await asyncio.gather(*(work() for _ in range(3)))
        assert deaths > 2
        assert (await http.get(path)).json()["fed_count"] == 60
    assert await query("SELECT count(*), count(DISTINCT recipient) FROM notifications") == [(60, 60)]
    assert await query("SELECT count(*) FROM notification_queue") == [(60,)]


async def test_processes_that_are_killed_in_the_midst_of_it_leave_nobody_out(
    caller: "Callers",
    test_database: TestDatabase,
    query: "Query",
    until: "Until",
    database: Database,
    desk: "Desk",
    clock: MovableClock,
) -> None:
    """SIGKILL, wherever a process that makes messages is just then. Both start at once: imports take the longest."""
    async with caller(SCOPES) as http:
        path = await begin(http, people(1))
        assert (await http.put(f"{path}/recipients", content=people(2500), headers=NDJSON)).status_code == 200
        await become(http, path, "RUNNING")
    command = (sys.executable, "-c", FEEDER, test_database.url, service.service_role)
    victims = [await asyncio.create_subprocess_exec(*command) for _ in range(2)]
    for victim, enough in zip(victims, (1, 1001), strict=True):

        async def is_amid(enough: int = enough) -> bool:
            return (await query("SELECT fed_count FROM notification_batches"))[0][0] >= enough

        await until(is_amid, 60)
        victim.send_signal(signal.SIGKILL)
        await victim.wait()
    assert 0 < (await query("SELECT count(*) FROM batch_recipients"))[0][0] < 1500
    clock.advance(seconds=60)
    while await look(database, desk, clock()):
        pass
    assert await query("SELECT count(*) FROM batch_recipients") == [(0,)]
    assert await query("SELECT count(*), count(DISTINCT recipient) FROM notifications") == [(2500, 2500)]
    assert await query("SELECT count(*) FROM notification_queue") == [(2500,)]
    assert await query("SELECT fed_count FROM notification_batches") == [(2500,)]
