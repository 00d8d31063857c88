"""Argon2id in a lane of its own, so that sign-ins cannot crowd out everything else.

Parameters of OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one lane. A hash costs about 20 ms of a core.
"""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from orion_auth.lane import PATIENCE_SECONDS, Lane
from orion_auth.password_text import normalise_password
from orion_core.secrets import new_secret

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16)


class HashingLane:
    """Hashes and verifies passwords on `threads` threads, outside of every transaction."""

    def __init__(self, threads: int, patience: float = PATIENCE_SECONDS) -> None:
        self._lane = Lane(threads, patience)
        self._nobodys_hash = HASHER.hash(new_secret())

    async def hash(self, password: str) -> str:
        """PHC string of a password; a 503 Problem when that would have to wait too long."""
        return await self._lane.run(lambda: HASHER.hash(normalise_password(password)))

    async def verify(self, password_hash: str | None, password: str, *, is_known: bool = False) -> bool:
        """Whether the password is right; a 503 Problem when that would have to wait too long.

        Without a hash (nobody of that name) it costs the same and is False. `is_known` says that the caller comes from
        a device of the owner's, who goes before strangers.
        """
        checked = password_hash or self._nobodys_hash
        matches = await self._lane.run(lambda: _matches(checked, normalise_password(password)), is_known=is_known)
        return matches and password_hash is not None

    def require_room(self, *, is_known: bool = False) -> None:
        """A 503 Problem when a password could not be looked at soon: known before anything is read or counted."""
        self._lane.require_room(is_known=is_known)

    def close(self) -> None:
        """Give up what is queued."""
        self._lane.close()


def _matches(password_hash: str, password: str) -> bool:
    try:
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
