"""The embedded PostgreSQL server under supervision."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from orion_cli.log_stream import LogStream
from orion_cli.supervisor import FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS
from orion_core.local import postgres
from orion_core.local.postgres import PostgresServer, PostgresStartError

NAME = "postgres"


class DatabaseServer:
    """Started once by `start`, and again whenever it dies, until `stop`."""

    def __init__(self, data: Path, port: int, log: LogStream, on_change: Callable[[], None] = lambda: None) -> None:
        self._data = data
        self._port = port
        self._log = log
        self._on_change = on_change
        self._stopping = asyncio.Event()
        self._starting: asyncio.Task[PostgresServer] | None = None
        self._life: asyncio.Task[None] | None = None
        self._server: PostgresServer | None = None

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server and self._server.is_running else None

    async def start(self) -> PostgresServer:
        """Raises what `orion_core.local.postgres.start` raises."""
        self._starting = asyncio.create_task(self._begin())
        # A thread cannot be cancelled: when we are, `stop` waits for the server, to stop it.
        server = await asyncio.shield(self._starting)
        self._life = asyncio.create_task(self._keep(server))
        return server

    async def stop(self) -> None:
        """End the server in order, also one that is still being started."""
        self._stopping.set()
        if self._starting:
            with suppress(Exception):
                await self._starting
        if self._server:
            await asyncio.to_thread(self._server.stop)
        if self._life:
            await self._life

    def kill(self) -> None:
        """End it at once; the next start recovers."""
        self._stopping.set()
        if self._server:
            self._server.stop("immediate", timeout=2)

    async def _begin(self) -> PostgresServer:
        self._server = await asyncio.to_thread(postgres.start, self._data, self._port)
        self._on_change()
        return self._server

    async def _keep(self, server: PostgresServer) -> None:
        while True:
            code = await asyncio.to_thread(server.wait)
            if self._stopping.is_set():
                return
            self._log.say(NAME, "ended, starting again", "warning", exit_code=code)
            await asyncio.to_thread(server.stop)  # gives the data directory back
            again = await self._start_again()
            if again is None:
                return
            server = again

    async def _start_again(self) -> PostgresServer | None:
        """None when it is to be stopped instead."""
        delay = FIRST_DELAY_SECONDS
        while not self._stopping.is_set():
            try:
                self._starting = asyncio.create_task(self._begin())
                return await self._starting
            except PostgresStartError as error:
                self._log.say(NAME, "did not start", "error", error=str(error), in_seconds=delay)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
            delay = min(delay * 2, LONGEST_DELAY_SECONDS)
        return None
