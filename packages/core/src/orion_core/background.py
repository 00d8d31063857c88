"""What runs beside requests: steps that end when they are told to, or when the task around them is cancelled."""

import asyncio
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")


async def unless_stopped(stop: asyncio.Event, step: Coroutine[Any, Any, Result]) -> Result | None:
    """The result of `step`, or None when `stop` was set first; then, and when we are cancelled, `step` has ended too.

    Raises what `step` raises; RuntimeError when it was cancelled by something inside it, which is no wish to stop.
    """
    working = asyncio.ensure_future(step)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return None
        if working.cancelled():
            raise RuntimeError("a step of background work was cancelled from inside")
        return working.result()
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, at most until `stop` is set."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def first_of(*waiting: Awaitable[object]) -> None:
    """Return when the first of them is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(each) for each in waiting]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
