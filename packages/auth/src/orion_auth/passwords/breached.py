"""Whether a password is known from a breach, by lists in the range format of Have I Been Pwned.

Either files of one's own (nothing leaves the house) or a service that is told the first five of the forty hexadecimal
digits of a SHA-1, and answers with the thousand it knows that begin so. Whoever cannot be asked refuses nobody.
"""

import asyncio
import os
from hashlib import sha1
from pathlib import Path
from typing import BinaryIO

import httpx
import structlog

from orion_auth.password_policy import BreachedPasswords
from orion_auth.password_text import normalise_password
from orion_core.http.door import leave_door

PREFIX = 5
TIMEOUT_SECONDS = 2.0
"""How long somebody waits for the service before his password is taken without it."""

log = structlog.get_logger()


class RangeFiles:
    """A folder of range files (`ABCDE.txt`, lines `SUFFIX:COUNT`), or one file of sorted lines `HASH:COUNT`."""

    is_local = True

    def __init__(self, path: Path) -> None:
        self._path = path

    async def contains(self, password: str) -> bool:
        """Look it up in a thread: a disk may be slow."""
        try:
            return await asyncio.to_thread(self._contains, _digest(password))
        except (OSError, ValueError) as error:  # no file, or one that is none of these
            log.warning("breached_passwords.unreadable", reason=type(error).__name__)
            return False

    async def close(self) -> None:
        """Nothing is held open."""

    def _contains(self, digest: str) -> bool:
        if self._path.is_file():
            with self._path.open("rb") as file:
                return _search(file, digest.encode())
        named = self._path / f"{digest[:PREFIX]}.txt"
        return _is_listed(named.read_text("ascii"), digest[PREFIX:])


class RangeService:
    """A service that answers `GET {url}/ABCDE` with lines `SUFFIX:COUNT`."""

    is_local = False

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        # Padding hides from a listener how long the answer is, and with it the prefix.
        headers = {"Add-Padding": "true", "User-Agent": "orion-auth"}
        self._url = url.rstrip("/")
        self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, headers=headers, transport=transport)

    async def contains(self, password: str) -> bool:
        """Ask for the range, and compare here."""
        digest = _digest(password)
        leave_door()  # who answers slowly must not keep others out
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                answer = await self._client.get(f"{self._url}/{digest[:PREFIX]}")
            answer.raise_for_status()
        except (httpx.HTTPError, TimeoutError) as error:
            log.warning("breached_passwords.unreachable", reason=type(error).__name__)
            return False
        return _is_listed(answer.text, digest[PREFIX:])

    async def close(self) -> None:
        """Close what was connected."""
        await self._client.aclose()


def breached_passwords(source: str | None) -> BreachedPasswords | None:
    """The list that a setting names: a URL or a path."""
    if source is None:
        return None
    return RangeService(source) if source.startswith(("http://", "https://")) else RangeFiles(Path(source))


def _digest(password: str) -> str:
    return sha1(normalise_password(password).encode(), usedforsecurity=False).hexdigest().upper()


def _is_listed(lines: str, suffix: str) -> bool:
    """A count of 0 is padding."""
    counts = (line.strip().upper().partition(":") for line in lines.splitlines())
    return any(listed == suffix and count != "0" for listed, _, count in counts)


def _search(file: BinaryIO, digest: bytes) -> bool:
    """Binary search for the line that begins with `digest`, by seeking: the whole list has 40 GB."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while low < high:
        middle = (low + high) // 2
        file.seek(middle)
        if middle:
            file.readline()  # into the middle of a line: begin at the next one
        line = file.readline().strip().upper()
        if line and line[: len(digest)] < digest:
            low = middle + 1
        else:
            high = middle
    file.seek(low)
    if low:
        file.readline()
    return file.readline().strip().upper()[: len(digest)] == digest
