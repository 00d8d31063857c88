"""Documents of providers, remembered for a while: however many ask at once, one asks the provider."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from orion_auth.providers.rules import ProviderError
from orion_core.clock import Clock

LIVES = timedelta(hours=1)
"""How long a document is used without asking again."""
LASTS = timedelta(hours=24)
"""How long it is used while its provider cannot be asked."""
PAUSE = timedelta(seconds=10)
"""Between two questions for the same document, whoever wants it anew."""

Document = TypeVar("Document")


@dataclass
class _Copy(Generic[Document]):
    document: Document
    fetched_at: datetime


class Remembered(Generic[Document]):
    """What `fetch` gets for a URL."""

    def __init__(self, fetch: Callable[[str], Awaitable[Document]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._copies: dict[str, _Copy[Document]] = {}
        self._tried_at: dict[str, datetime] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, url: str, *, anew: bool = False) -> Document:
        """The document; `anew` asks for one that is newer than what is remembered, which soon after is the same.

        ProviderError when it cannot be had, and no copy is young enough.
        """
        seen = self._copies.get(url)
        if seen is not None and not anew and self._age(seen) < LIVES:
            return seen.document
        async with self._locks.setdefault(url, asyncio.Lock()):
            copy = self._copies.get(url)
            if copy is not None and (copy is not seen or self._was_tried(url)):
                return copy.document
            return await self._refresh(url, copy)

    def forget(self, url: str) -> None:
        """Ask again next time."""
        self._copies.pop(url, None)
        self._tried_at.pop(url, None)

    def _age(self, copy: _Copy[Document]) -> timedelta:
        return self._clock() - copy.fetched_at

    def _was_tried(self, url: str) -> bool:
        tried_at = self._tried_at.get(url)
        return tried_at is not None and self._clock() - tried_at < PAUSE

    async def _refresh(self, url: str, copy: _Copy[Document] | None) -> Document:
        asked_at = self._tried_at[url] = self._clock()
        try:
            document = await self._fetch(url)
        except ProviderError:
            if copy is None or self._age(copy) >= LASTS:
                raise
            return copy.document
        self._copies[url] = _Copy(document, asked_at)
        return document
