"""Argon2id in a lane of its own: a few threads and a short queue, so that sign-ins cannot crowd out everything else.

Parameters of OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one lane. A hash costs about 20 ms of a core.
"""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from orion_core.errors import unavailable
from orion_core.secrets import new_secret

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16)

QUEUE_PER_THREAD = 50
"""Longest queue: about a second's work. Whoever would wait longer is told to come back."""

Result = TypeVar("Result")


class HashingLane:
    """Hashes and verifies passwords on `threads` threads, outside of every transaction."""

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._places = BoundedSemaphore(threads * (1 + QUEUE_PER_THREAD))
        self._nobodys_hash = HASHER.hash(new_secret())

    async def hash(self, password: str) -> str:
        """PHC string of a password; a 503 Problem when the queue is full."""
        return await self._run(lambda: HASHER.hash(_normalise(password)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right. Without a hash (nobody of that name) it costs the same and is False."""
        matches = await self._run(lambda: _matches(password_hash or self._nobodys_hash, _normalise(password)))
        return matches and password_hash is not None

    def close(self) -> None:
        """Give up what is queued."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], Result]) -> Result:
        if not self._places.acquire(blocking=False):
            raise unavailable("too_many_passwords", "Too many passwords are being checked just now; try again.", 1)
        try:
            future = self._executor.submit(work)
        except RuntimeError:
            self._places.release()
            raise
        # Released by the work itself, not by its caller: a client that hangs up frees no thread.
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)


def _normalise(password: str) -> str:
    """NFC (RFC 8265 §4.2), since the same key press sends different code points on different systems."""
    return unicodedata.normalize("NFC", password)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
