"""The mailbox as something that runs: SMTP and HTTP on the event loop of whoever starts it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from orion_core.http.embedded import serving
from orion_core.local.mailbox import smtp, web
from orion_core.local.mailbox.box import Box
from orion_core.local.mailbox.messages import Channel, Message
from orion_core.local.ports import LOOPBACK

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
            app = web.create_app(box, _LOCAL_NAMES if host == LOOPBACK else ["*"])
            async with serving(app, host, http_port) as chosen:
                yield Mailbox(box, host, server.sockets[0].getsockname()[1], chosen)
        finally:
            server.close()
