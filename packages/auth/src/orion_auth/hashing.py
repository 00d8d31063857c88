"""Argon2id in a lane of its own, so that sign-ins cannot crowd out everything else.

Parameters of OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one lane. Two libraries make the same hashes,
and the quicker one on this processor makes ours: libsodium uses the widest vectors that there are and lets the kernel
map its memory anew for each hash, libargon2 (argon2-cffi) keeps its memory and uses the vectors that it was compiled
for. As they are published libsodium wins; `make native` compiles the other (bench/sign_in.py).
"""

import re
import time
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from nacl.exceptions import InvalidkeyError
from nacl.pwhash import argon2id

from orion_auth import foreign_hashes
from orion_auth.foreign_hashes import UnusableHashError
from orion_auth.lane import PATIENCE_SECONDS, Lane
from orion_auth.password_text import normalise_password
from orion_core.http.door import leave_door
from orion_core.networks import network
from orion_core.secrets import new_secret
from orion_core.tables import IpAddress

PASSES, MEMORY_KIB, LANES = 2, 19 * 1024, 1
HASH_BYTES, SALT_BYTES = 32, 16
"""As long as libsodium makes them."""
OURS = re.compile(rf"\$argon2id\$v=19\$m={MEMORY_KIB},t={PASSES},p={LANES}\$[\w+/]{{22}}\$[\w+/]{{43}}", re.ASCII)


class Library(NamedTuple):
    """One that makes and verifies PHC strings of our parameters."""

    name: str
    hash: Callable[[bytes], str]
    verify: Callable[[str, bytes], bool]
    """True, or raises InvalidkeyError or VerificationError."""


def _hash_by_libsodium(secret: bytes) -> str:
    return argon2id.str(secret, opslimit=PASSES, memlimit=MEMORY_KIB * 1024).decode()


def _verify_by_libsodium(password_hash: str, secret: bytes) -> bool:
    return argon2id.verify(password_hash.encode(), secret)


_HASHER = PasswordHasher(PASSES, MEMORY_KIB, LANES, HASH_BYTES, SALT_BYTES)

LIBSODIUM = Library("libsodium", _hash_by_libsodium, _verify_by_libsodium)
LIBARGON2 = Library("libargon2", _HASHER.hash, _HASHER.verify)


@cache
def quickest_library() -> Library:
    """The one whose hashes cost less processor time here, tried out once in a process (0.1 s)."""
    return min(LIBSODIUM, LIBARGON2, key=lambda library: min(_cost(library) for _ in range(3)))


def _cost(library: Library) -> float:
    began = time.thread_time()
    library.hash(b"")
    return time.thread_time() - began


class HashingLane:
    """Hashes and verifies passwords on `threads` threads, outside of every transaction."""

    def __init__(self, threads: int, patience: float = PATIENCE_SECONDS) -> None:
        self._lane = Lane(threads, patience)
        self._nobodys_hash = hash_secret(new_secret())

    async def hash(self, password: str) -> str:
        """PHC string of a password; a 503 Problem when that would have to wait too long."""
        leave_door()  # the lane has a queue of its own
        return await self._lane.run(lambda: hash_secret(normalise_password(password)))

    async def verify(self, password_hash: str | None, password: str, *, known_from: IpAddress | None = None) -> bool:
        """Whether the password is right; a 503 Problem when that would have to wait too long.

        Without a hash (nobody of that name) it costs the same and is False. `known_from` says that the caller comes
        from a device of the owner's, who goes before strangers, and where that is.
        """
        leave_door()
        checked = password_hash or self._nobodys_hash
        is_right = await self._lane.run(lambda: matches(checked, password), known_from=_network(known_from))
        return is_right and password_hash is not None

    def require_room(self, *, known_from: IpAddress | None = None) -> None:
        """A 503 Problem when a password could not be looked at soon: known before anything is read or counted."""
        self._lane.require_room(known_from=_network(known_from))

    def close(self) -> None:
        """Give up what is queued."""
        self._lane.close()


def _network(address: IpAddress | None) -> str | None:
    return network(address) if address is not None else None


def hash_secret(secret: str | bytes) -> str:
    """PHC string of a secret as it is: a password in its normal form, or the digest of another system's."""
    return quickest_library().hash(_as_bytes(secret))


def needs_new_hash(password_hash: str) -> bool:
    """Whether a hash should be made anew from the password, once that is known: another system's, or a weaker one.

    Parameters are raised and never lowered.
    """
    if not password_hash.startswith("$argon2id$"):
        return True
    kept = extract_parameters(password_hash)
    return (
        kept.type is not Type.ID
        or kept.memory_cost < MEMORY_KIB
        or kept.time_cost < PASSES
        or kept.hash_len < HASH_BYTES
        or kept.salt_len < SALT_BYTES
    )


def matches(password_hash: str, typed: str) -> bool:
    """Whether a kept hash is that of a password. One of our own costs one Argon2id, in the password's normal form.

    Other systems hashed what was typed: there that form is tried too, where it is another.
    """
    text = normalise_password(typed)
    try:
        if password_hash.startswith("$argon2id$") and not needs_new_hash(password_hash):
            return _verify(password_hash, text)
        forms = dict.fromkeys((typed, text))
        return any(_matches_foreign(password_hash, form) for form in forms)
    except (InvalidHashError, UnusableHashError, ValueError):
        return False


def _matches_foreign(password_hash: str, form: str) -> bool:
    if password_hash.startswith("$argon2"):
        return _verify(password_hash, form)
    return foreign_hashes.matches(password_hash, form.encode(), _verify)


def _verify(password_hash: str, secret: str | bytes) -> bool:
    # Of hashes with other parameters libsodium does not read all.
    library = quickest_library() if OURS.fullmatch(password_hash) else LIBARGON2
    try:
        return library.verify(password_hash, _as_bytes(secret))
    except (InvalidkeyError, VerificationError):
        return False


def _as_bytes(secret: str | bytes) -> bytes:
    return secret.encode() if isinstance(secret, str) else secret
