"""Long reckoning in the event loop: others have their turn after each short stretch of it."""

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

Found = TypeVar("Found")

AT_A_STRETCH = 0.002
"""Seconds. Whoever waits meanwhile, such as for `/livez`, notices nothing of it."""


class Stretches:
    """One long reckoning, which stays in the event loop: a thread would hold others up by the interpreter's lock."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._before = 0.0

    @property
    def spent(self) -> float:
        """Seconds of reckoning until now, without those of others in between and of waiting."""
        return self._before + time.perf_counter() - self._began

    async def give_way(self) -> None:
        """Let others have their turn, if it is long enough since the last time."""
        if time.perf_counter() - self._began >= AT_A_STRETCH:
            await self.wait_for(asyncio.sleep(0))

    async def wait_for(self, something: Awaitable[Found]) -> Found:
        """Wait for what is no reckoning of ours, such as a statement."""
        self._before = self.spent
        try:
            return await something
        finally:
            self._began = time.perf_counter()
