"""The mailbox as something that runs: SMTP and HTTP on the event loop of whoever starts it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

from granian.constants import Interfaces
from granian.server.embed import Server

from orion_core.local.mailbox import smtp, web
from orion_core.local.mailbox.box import Box
from orion_core.local.mailbox.messages import Channel, Message
from orion_core.local.ports import LOOPBACK, free_port, is_free

_START_SECONDS = 10.0
_LOCAL_NAMES = ["127.0.0.1", "localhost"]


@dataclass(frozen=True)
class Mailbox:
    """A running mailbox; `async with Mailbox.running() as mailbox`."""

    box: Box
    host: str
    smtp_port: int
    http_port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.http_port}"

    async def wait_for(
        self,
        to: str | None = None,
        channel: Channel | None = None,
        after: UUID | None = None,
        *,
        count: int = 1,
        timeout: float = 10,
    ) -> list[Message]:
        """The messages that came, oldest first, once there are `count`; see `Box.wait_for`."""
        return await self.box.wait_for(to, channel, after, count=count, timeout=timeout)

    @staticmethod
    @asynccontextmanager
    async def running(smtp_port: int = 0, http_port: int = 0, host: str = LOOPBACK) -> "AsyncGenerator[Mailbox]":
        """Serve until the block is left. Port 0 takes a free one; a port in use is an OSError."""
        box = Box()
        server = await smtp.listen(box, host, smtp_port)
        try:
            async with _http(box, host, http_port) as chosen:
                yield Mailbox(box, host, server.sockets[0].getsockname()[1], chosen)
        finally:
            server.close()


@asynccontextmanager
async def _http(box: Box, host: str, port: int) -> AsyncGenerator[int]:
    # Granian listens with SO_REUSEPORT: two on one port would share the requests, and nobody would say so.
    if port and not is_free(port, host):
        raise OSError(f"Port {port} is in use.")
    chosen = port or free_port(host)
    app = web.create_app(box, _LOCAL_NAMES if host == LOOPBACK else ["*"])
    server = Server(app, address=host, port=chosen, interface=Interfaces.ASGINL, websockets=False, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    try:
        await _until_listening(host, chosen, serving)
        yield chosen
    finally:
        server.stop()
        await serving


async def _until_listening(host: str, port: int, serving: asyncio.Task[None]) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while not serving.done():
            with suppress(OSError):
                _, writer = await asyncio.open_connection(host, port)
                writer.close()
                return
            await asyncio.sleep(0.01)
    serving.result()
