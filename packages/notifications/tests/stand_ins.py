"""A provider as it behaves, and misbehaves, on a real socket."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson


@dataclass
class Reply:
    """What a provider answers. `HANG` says nothing, `CUT` hangs up before it has, `TORN` in the middle of the body."""

    status: int = 200
    body: bytes | dict[str, Any] = b""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    how: str = ""


HANG, CUT, TORN = Reply(how="hang"), Reply(how="cut"), Reply(how="torn")


@dataclass
class Asked:
    """What a provider was asked."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True))


@dataclass
class Provider:
    """A provider on a real socket: it answers `replies` one after the other, and the last one for ever."""

    replies: list[Reply] = field(default_factory=lambda: [Reply()])
    asked: list[Asked] = field(default_factory=list[Asked])
    url: str = ""
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._answer(reader, writer):
                pass
        self.hung_up.set()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head[1:] if line}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked.append(Asked(head[0].split(" ")[1], headers, body))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply.how == "hang":
            await reader.read()
        if reply.how in {"hang", "cut"}:
            return False
        content = reply.body if isinstance(reply.body, bytes) else orjson.dumps(reply.body)
        size = len(content) + (100 if reply.how == "torn" else 0)
        told = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        writer.write(f"HTTP/1.1 {reply.status} X\r\nContent-Length: {size}\r\n{told}\r\n".encode() + content)
        await writer.drain()
        return reply.how != "torn"
