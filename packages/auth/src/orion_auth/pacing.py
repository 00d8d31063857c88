"""Replies that take the same time whatever was found, so that a stopwatch learns nothing."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

STEP_MILLISECONDS = 50
"""Several times what the statements inside take."""


@asynccontextmanager
async def evenly() -> AsyncGenerator[None]:
    """Let the block take a whole number of steps, however it ends. No connection may be held around it.

    Told in whole milliseconds of the clock, as the event loop's timers are: what is over within one of them has no part
    in which of them the reply falls into. The loop's own time is that of its last turn, and would have one.
    """
    started = _millisecond()
    try:
        yield
    finally:
        elapsed = _millisecond() - started
        await asyncio.sleep((STEP_MILLISECONDS - elapsed % STEP_MILLISECONDS) / 1000)


def _millisecond() -> int:
    return time.monotonic_ns() // 1_000_000
