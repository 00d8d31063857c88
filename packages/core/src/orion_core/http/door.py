"""A door in front of expensive routes: a few requests are worked on at a time, the others wait outside at no cost.

Without it every request of a crowd gets its turns of the event loop, and who wants something else waits for them all.
"""

import asyncio
from collections import deque

from orion_core.errors import Problem, unavailable
from orion_core.http.context import EXCHANGE

AT_ONCE = 2
"""Requests inside. Each keeps the event loop busy for about a millisecond between two waits for the database, and what
is no such request waits for all of them at each of its turns; before one waits for anything else than the database it
leaves (`leave_door`)."""
MOST_WAITING = 1000
"""Requests outside, with their bodies. A crowd that keeps its connections open is slowed down by waiting."""
PATIENCE_SECONDS = 10.0
"""A crowd of that size has passed by then."""

Waiting = deque[asyncio.Future[None]]


class Door:
    """Lets requests in, in the order in which they have arrived whole: nobody keeps others out by a slow body.

    Whom the route knows, and prefers to strangers, it lets in before them, however many there are.
    """

    def __init__(self) -> None:
        self._room = AT_ONCE
        self._preferred: Waiting = deque()
        self._strangers: Waiting = deque()

    async def enter(self, *, is_preferred: bool = False) -> "Place":
        """A place inside, to be left again; a 503 Problem when too many wait, or it takes too long."""
        queue = self._preferred if is_preferred else self._strangers
        if self._room:
            self._room -= 1
        else:
            await self._turn_comes(queue)
        return Place(self)

    async def _turn_comes(self, queue: Waiting) -> None:
        if len(queue) >= MOST_WAITING:
            raise _crowded()
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await turn
        except BaseException as error:
            if turn in queue:
                queue.remove(turn)
            else:
                self.let_in()  # the turn came at the moment of giving up
            if isinstance(error, TimeoutError):
                raise _crowded() from None
            raise

    def let_in(self) -> None:
        """Give a place that has become free to whoever is next."""
        queue = self._preferred or self._strangers
        if not queue:
            self._room += 1
            return
        turn = queue.popleft()
        if not turn.done():  # else given up at this moment: it finds itself gone, and passes the place on
            turn.set_result(None)


class Place:
    """One request's place behind a door."""

    def __init__(self, door: Door) -> None:
        self._door: Door | None = door

    def leave(self) -> None:
        """Let the next one in; once is enough."""
        if self._door is not None:
            door, self._door = self._door, None
            door.let_in()


async def enter_door(*, is_preferred: bool) -> None:
    """Wait outside where the route itself says when, and whom it knows; a 503 Problem as of `Door.enter`."""
    exchange = EXCHANGE.get()
    if exchange is not None and exchange.door is not None:
        exchange.place = await exchange.door.enter(is_preferred=is_preferred)


def leave_door() -> None:
    """Let the next request in before this one waits for something that has a queue of its own."""
    exchange = EXCHANGE.get()
    if exchange is not None and exchange.place is not None:
        exchange.place.leave()


def _crowded() -> Problem:
    detail = "Too many ask for this at once; nothing was tried. Try again."
    return unavailable("crowded", detail, 1)
