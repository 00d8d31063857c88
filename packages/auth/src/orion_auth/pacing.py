"""Replies that take the same time whatever was found, so that a stopwatch learns nothing."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

STEP_SECONDS = 0.05
"""Several times what the statements inside take."""


@asynccontextmanager
async def evenly() -> AsyncGenerator[None]:
    """Let the block take a whole number of steps, however it ends. No connection may be held around it."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        yield
    finally:
        elapsed = loop.time() - started
        await asyncio.sleep(STEP_SECONDS - elapsed % STEP_SECONDS)
