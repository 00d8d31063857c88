"""How a worker goes about it, and how it waits."""

import asyncio
from dataclasses import dataclass
from typing import Any

from orion_notifications.delivery.lanes import LARGEST_BATCH

CANCEL_SECONDS = 0.5
WRITE_SECONDS = 1.5
"""For the last results to be written when the worker stops; what is not is left to its lease."""


@dataclass(frozen=True)
class Pace:
    """How a worker goes about it. A try is cut off well before its lease ends: see `longest_try_seconds`."""

    slots: int = 8
    """Messages of one channel in hand at once, and so connections to a provider at most. None waits for another: one
    that did would be late through no fault of its provider, could outlive its lease unsent, and would be in doubt if
    the worker died."""
    urgent_slots: int = 2
    """Of these, those that only URGENT may take."""
    batch: int = LARGEST_BATCH
    """Messages at once of a channel that waits for nobody."""
    ageing_seconds: float = 60.0
    """Who has waited for longer gets a share of every claim, whatever else there is."""
    lease_seconds: float = 60.0
    admit_seconds: float = 4.0
    """For deciding whether what was claimed may go out."""
    prepare_seconds: float = 10.0
    """For looking up its template and rendering it."""
    send_seconds: float = 40.0
    """For the provider to take it, from when it is ready to be handed over."""
    poll_seconds: float = 1.0
    """How late a message is at most when a wake-up was lost, or a retry has become due."""
    give_back_seconds: float = 5.0
    stop_seconds: float = 6.0
    """For messages that are on their way when the worker is to stop. Who stops processes kills them after ten."""

    @property
    def longest_try_seconds(self) -> float:
        """From a claim until its result is written; the lease has to be longer."""
        return self.admit_seconds + self.prepare_seconds + self.send_seconds + WRITE_SECONDS


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """End these; again, if need be: before Python 3.12 `wait_for` loses a cancellation that comes with its result."""
    while alive := [task for task in tasks if not task.done()]:
        for task in alive:
            task.cancel()
        await asyncio.wait(alive, timeout=CANCEL_SECONDS)
