"""What runs beside requests: steps that end when they are told to, or when the task around them is cancelled."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

Result = TypeVar("Result")

log = structlog.get_logger()


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


async def keep_doing(stop: asyncio.Event, every: float, step: Callable[[], Awaitable[None]], put_off: str) -> None:
    """Until `stop`, take a step about `every` so many seconds: not all processes at once.

    While the database is away a step is left out, of which the log has a warning called `put_off`.
    """
    while not stop.is_set():
        await pause(stop, every * random.uniform(0.5, 1.5))  # noqa: S311
        try:
            await step()
        except (SQLAlchemyError, OSError) as error:
            log.warning(put_off, reason=str(getattr(error, "orig", None) or error))


async def first_of(*waiting: Awaitable[object]) -> None:
    """Return when the first of them is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(each) for each in waiting]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
