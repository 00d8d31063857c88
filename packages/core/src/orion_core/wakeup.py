"""Waking whoever waits for new rows, across processes, by LISTEN/NOTIFY.

A COMMIT that carries a NOTIFY takes a lock that is global to the server, so no transaction of ours does: the process
that wrote rings afterwards. Single rings are carried at once; those of a flood become few NOTIFYs. A lost ring costs
only the poll interval; it never carries data.
"""

import asyncio
import time
from contextlib import suppress

import asyncpg
import structlog

from orion_core.background import pause, unless_stopped
from orion_core.database import asyncpg_arguments
from orion_core.database_faults import database_reason

NOTIFY_SECONDS = 0.015
"""Between two NOTIFYs of one process in the long run; what rings meanwhile goes with the next one."""
NOTIFIES_AT_ONCE = 10
"""So many more without a pause, after a time that was quieter."""
RECONNECT_SECONDS = 2.0

log = structlog.get_logger()


class Wakeup:
    """One channel: `ring` it after a commit, `wait` on it instead of polling fast."""

    def __init__(self, url: str, channel: str) -> None:
        self._url = url
        self._channel = channel
        self._rung = asyncio.Event()
        self._news = asyncio.Event()

    def ring(self) -> None:
        """Say that there is something new: at once in this process, within milliseconds in the others."""
        self._announce()
        self._rung.set()

    def next_ring(self) -> asyncio.Event:
        """What the next ring sets. Take it before looking for something new: a ring while looking is then not lost."""
        return self._news

    async def wait(self, seconds: float, ring: asyncio.Event | None = None) -> None:
        """Return when somebody rang (since `ring` was taken, or from now on), at the latest after `seconds`."""
        with suppress(TimeoutError):
            await asyncio.wait_for((ring or self._news).wait(), seconds)

    async def run(self, stop: asyncio.Event) -> None:
        """Carry rings to and from the other processes until `stop`; reconnects for ever."""
        while not stop.is_set():
            try:
                await unless_stopped(stop, self._carry())
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("wakeup.interrupted", channel=self._channel, reason=database_reason(error))
            self._announce()
            await pause(stop, RECONNECT_SECONDS)

    async def _carry(self) -> None:
        connection = await self._connect()
        own = connection.get_server_pid()  # asked now: what was heard last is told after the connection is gone

        def heard(_: object, pid: int, *__: object) -> None:
            if pid != own:  # one's own ring has woken everybody here already
                self._announce()

        try:
            await connection.add_listener(self._channel, heard)
            self._announce()
            paid_until = 0.0
            while not connection.is_closed():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._rung.wait(), RECONNECT_SECONDS)
                if self._rung.is_set():
                    self._rung.clear()
                    began = time.monotonic()
                    paid_until = max(paid_until, began - NOTIFIES_AT_ONCE * NOTIFY_SECONDS) + NOTIFY_SECONDS
                    await connection.execute("SELECT pg_notify($1, '')", self._channel)
                    await asyncio.sleep(paid_until - time.monotonic())
        finally:
            connection.terminate()

    async def _connect(self) -> asyncpg.Connection:
        location, options = asyncpg_arguments(self._url)
        return await asyncpg.connect(
            **{**location.translate_connect_args(username="user"), **options},
            # Nobody waits for a disk meanwhile, with that lock held: there is nothing in it that could be lost.
            server_settings={"application_name": f"orion wakeup {self._channel}", "synchronous_commit": "off"},
            timeout=10,
        )

    def _announce(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
