"""A lane for slow work: a few threads, and a queue in front of them in which nobody waits for long.

Whoever would wait longer than the lane's patience is told so before anything is kept for him, so a flood of work costs
the lane's threads and nothing else. Everything but the work itself happens on the event loop, so it needs no locks.
"""

import asyncio
import math
import os
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from orion_core import metrics
from orion_core.errors import Problem, unavailable

PATIENCE_SECONDS = 1.0
FIRST_GUESS_SECONDS = 0.02
"""What one piece of work is thought to take until the first is done; then the mean of the latest."""
LATEST = 0.1
"""Weight of the latest piece in that mean."""
KNOWN_TURNS = 3
"""Of four turns that both kinds of callers wait for, those who are known get three."""
NETWORKS_PART = 4
"""One network may have a fourth of the places for the known that the others leave, and always one: so somebody who
signs in to many accounts of his own has a fifth of all, and from a few networks leaves some (as in switches: Choudhury
and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998)."""
KEPT_FROM_STRANGERS = 1
"""Threads that work for strangers never take, where there are several: a crowd of them leaves a processor to all else,
and whoever is known finds a thread."""
NICENESS = 5
"""By how much threads that hash give way. More would let any other program on the machine stop sign-ins."""

Result = TypeVar("Result")
Places = deque[asyncio.Future[None]]


class Lane:
    """Runs work on `threads` threads, for one event loop."""

    def __init__(self, threads: int, patience: float = PATIENCE_SECONDS) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="argon2", initializer=_step_back)
        self._threads = threads
        self._patience = patience
        self._idle = threads
        self._for_strangers = max(1, threads - KEPT_FROM_STRANGERS)
        """Threads that strangers may still take."""
        self._most_strangers = self._for_strangers
        self._seconds = FIRST_GUESS_SECONDS
        self._known: Places = deque()
        self._strangers: Places = deque()
        self._of_network: Counter[str] = Counter()
        """Places of the known that are taken by those of each network."""
        self._turn = 0

    def require_room(self, *, known_from: str | None = None) -> None:
        """A 503 Problem, with the time after which to try again, when somebody would wait too long now."""
        self._require_room(self._is_preferred(known_from))

    async def run(self, work: Callable[[], Result], *, known_from: str | None = None) -> Result:
        """What `work` returns; a 503 Problem when its turn would come, or has come, too late.

        Who is known, by the device he comes from, says from which network, and waits in a queue of his own, which goes
        first most of the time: a crowd of strangers delays him little. Those of a network that has its part of that
        queue wait among strangers. Who stops waiting leaves the queue; work that has begun goes on to its end, since no
        thread can be stopped, and keeps its place until then.
        """
        began = time.perf_counter()
        is_known = self._is_preferred(known_from)
        if self._is_free(is_known):
            self._take(is_known)
        else:
            self._require_room(is_known)
            if is_known and known_from is not None:
                await self._known_turn_comes(known_from)
            else:
                await self._turn_comes(self._strangers, is_known=False)
        metrics.HASHING_WAITS.observe(time.perf_counter() - began)
        return await asyncio.wrap_future(self._submit(work, is_known))

    def close(self) -> None:
        """Give up what waits."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _require_room(self, is_known: bool) -> None:
        wait = self._expected_wait(is_known)
        if wait > self._patience:
            raise _refusal(is_known, wait)

    def _is_preferred(self, known_from: str | None) -> bool:
        """Whether he waits among the known: his network has not yet the part of their places that it may have."""
        if known_from is None:
            return False
        left = (self._patience - self._expected_wait(is_known=True)) * self._threads / self._seconds
        return self._of_network[known_from] < max(1, left / NETWORKS_PART)

    def _is_free(self, is_known: bool) -> bool:
        return self._idle > 0 and (is_known or self._for_strangers > 0)

    def _take(self, is_known: bool) -> None:
        self._idle -= 1
        self._for_strangers -= not is_known

    def _give_back(self, is_known: bool) -> None:
        self._idle += 1
        self._for_strangers += not is_known
        self._pass_on()

    def _submit(self, work: Callable[[], Result], is_known: bool) -> Future[Result]:
        loop = asyncio.get_running_loop()

        def measured() -> Result:
            began = time.perf_counter()
            try:
                return work()
            finally:
                # A float is replaced at once, so that it may be written from any of the threads.
                self._seconds += LATEST * (time.perf_counter() - began - self._seconds)

        def ended(_: object) -> None:
            with suppress(RuntimeError):  # the loop may be closed before its last thread has ended
                loop.call_soon_threadsafe(self._give_back, is_known)

        try:
            future = self._executor.submit(measured)
        except RuntimeError:
            self._give_back(is_known)
            raise
        future.add_done_callback(ended)
        return future

    async def _known_turn_comes(self, network: str) -> None:
        self._of_network[network] += 1
        try:
            await self._turn_comes(self._known, is_known=True)
        finally:
            self._of_network[network] -= 1
            if not self._of_network[network]:
                del self._of_network[network]

    async def _turn_comes(self, queue: Places, *, is_known: bool) -> None:
        place = asyncio.get_running_loop().create_future()
        queue.append(place)
        self._count()
        try:
            async with asyncio.timeout(self._patience):
                await place
        except BaseException as error:
            if place in queue:
                queue.remove(place)
                self._count()
            else:
                self._give_back(is_known)  # the turn came at the moment of giving up
            if isinstance(error, TimeoutError):
                raise _refusal(is_known, self._patience) from None
            raise

    def _pass_on(self) -> None:
        """Give a thread that has become free to whoever is next."""
        strangers_turn = self._turn % (KNOWN_TURNS + 1) == KNOWN_TURNS
        for is_known in (False, True) if strangers_turn else (True, False):
            queue = self._known if is_known else self._strangers
            if queue and self._is_free(is_known):
                self._turn += 1
                self._take(is_known)
                place = queue.popleft()
                self._count()
                if not place.done():  # else given up at this moment: it finds its place gone, and gives it back
                    place.set_result(None)
                return

    def _expected_wait(self, is_known: bool) -> float:
        if self._is_free(is_known):
            return 0.0
        ahead = len(self._known)
        if is_known:
            ahead += min(len(self._strangers), ahead // KNOWN_TURNS + 1)
        else:
            ahead += len(self._strangers)
        return (ahead + 1) * self._seconds / (self._threads if is_known else self._most_strangers)

    def _count(self) -> None:
        metrics.HASHING_QUEUE.set(len(self._known) + len(self._strangers))


def _step_back() -> None:
    """Let the event loop, which answers everybody else, go before the threads that hash (Linux: setpriority(2))."""
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)


def _refusal(is_known: bool, wait: float) -> Problem:
    metrics.HASHING_REFUSED.labels("known" if is_known else "stranger").inc()
    detail = "Too many passwords are being checked just now; nothing was tried. Try again."
    return unavailable("too_many_passwords", detail, math.ceil(wait))
