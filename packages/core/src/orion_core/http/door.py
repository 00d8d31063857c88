"""A door in front of expensive routes: a few requests are worked on at a time, the others wait outside at no cost.

Without it every request of a crowd gets its turns of the event loop, and who wants something else waits for them all.
"""

import asyncio

from orion_core.errors import Problem, unavailable
from orion_core.http.context import EXCHANGE

AT_ONCE = 2
"""Requests inside. Each keeps the event loop busy for about a millisecond between two waits for the database, and what
is no such request waits for all of them at each of its turns; before one waits for anything else than the database it
leaves (`leave_door`)."""
MOST_WAITING = 1000
"""Requests outside, with their bodies. A crowd that keeps its connections open is slowed down by waiting."""
PATIENCE_SECONDS = 10.0
"""Twice as long as the crowd takes to pass: somebody whom the route knows, and prefers to strangers, has to get that
far."""


class Door:
    """Lets requests in, in the order in which they have arrived whole: nobody keeps others out by a slow body."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def enter(self) -> "Place":
        """A place inside, to be left again; a 503 Problem when too many wait, or it takes too long."""
        if self._waiting >= MOST_WAITING:
            raise _crowded()
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._room.acquire()
        except TimeoutError:
            raise _crowded() from None
        finally:
            self._waiting -= 1
        return Place(self._room)


class Place:
    """One request's place behind a door."""

    def __init__(self, room: asyncio.Semaphore) -> None:
        self._room: asyncio.Semaphore | None = room

    def leave(self) -> None:
        """Let the next one in; once is enough."""
        if self._room is not None:
            self._room.release()
            self._room = None


def leave_door() -> None:
    """Let the next request in before this one waits for something that has a queue of its own."""
    exchange = EXCHANGE.get()
    if exchange is not None and exchange.place is not None:
        exchange.place.leave()


def _crowded() -> Problem:
    detail = "Too many ask for this at once; nothing was tried. Try again."
    return unavailable("crowded", detail, 1)
