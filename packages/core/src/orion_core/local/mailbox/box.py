"""The messages themselves: in memory, bounded, and awaitable."""

import asyncio
from collections import deque
from collections.abc import Iterator
from uuid import UUID

from orion_core.local.mailbox.messages import Channel, Message

KEPT_MESSAGES = 2_000
KEPT_BYTES = 256 * 1024 * 1024


class Box:
    """The last messages, oldest first. Belongs to one event loop."""

    def __init__(self, messages: int = KEPT_MESSAGES, size: int = KEPT_BYTES) -> None:
        self._messages: deque[Message] = deque()
        self._limits = (messages, size)
        self._size = 0
        self._changed = asyncio.Event()

    def __iter__(self) -> Iterator[Message]:
        return iter(tuple(self._messages))

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: Message) -> None:
        """Keep the message, at the price of the oldest ones when there is no room."""
        self._messages.append(message)
        self._size += len(message.source)
        messages, size = self._limits
        while len(self._messages) > messages or (self._size > size and len(self._messages) > 1):
            self._size -= len(self._messages.popleft().source)
        self._changed.set()
        self._changed = asyncio.Event()

    def clear(self) -> None:
        self._messages.clear()
        self._size = 0

    def get(self, id: UUID) -> Message | None:
        return next((message for message in self._messages if message.id == id), None)

    def find(self, to: str | None = None, channel: Channel | None = None, after: UUID | None = None) -> list[Message]:
        """Oldest first: those handed to exactly `to`, by `channel`, that came after the message `after`."""
        return [
            message
            for message in self._messages
            if (to is None or to.lower() in (recipient.lower() for recipient in message.to))
            and (channel is None or message.channel is channel)
            and (after is None or message.id > after)
        ]

    async def wait_for(
        self,
        to: str | None = None,
        channel: Channel | None = None,
        after: UUID | None = None,
        *,
        count: int = 1,
        timeout: float = 10,
    ) -> list[Message]:
        """As `find`, once at least `count` are there; `TimeoutError` after `timeout` seconds, saying what is there."""
        try:
            async with asyncio.timeout(timeout):
                while len(found := self.find(to, channel, after)) < count:
                    await self._changed.wait()
                return found
        except TimeoutError:
            here = ", ".join(f"{m.channel} to {' '.join(m.to)}" for m in self._messages) or "nothing"
            wanted = f"{count} message(s) to {to or 'anybody'} by {channel or 'any channel'}"
            raise TimeoutError(f"waited {timeout} s for {wanted}; the mailbox holds {here}") from None
