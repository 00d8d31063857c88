"""Which ports the parts of `orion up` listen on."""

import asyncio
import fcntl
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from orion_core.local.ports import holder, is_free

HIGHEST_PORT = 65_535

DEFAULT_PORTS = {"mailbox": 7104, "worker": 7105, "smtp": 7125, "postgres": 7432}
"""Beside the services, which name their own."""


_PAUSE_SECONDS = 0.1


class NoFreePort(Exception):
    """Every port above the wished one is taken."""


def choose_ports(
    wishes: Mapping[str, int],
    moved: Callable[[str, int, str, int], None],
    *,
    free: Callable[[int], bool] = is_free,
) -> dict[str, int]:
    """For each name its wished port, or the next free one that nobody else here wishes for.

    `moved(name, wished, holder, chosen)` is told of each that could not have its wish.
    """
    chosen: dict[str, int] = {}
    for name, wished in wishes.items():
        taken = {*wishes.values(), *chosen.values()} - {wished}
        others = (port for port in range(wished, HIGHEST_PORT) if port not in taken and free(port))
        port = next(others, None)
        if port is None:
            raise NoFreePort(f"No port from {wished} upwards is free for {name}.")
        chosen[name] = port
        if port != wished:
            moved(name, wished, holder(wished) or "another process", port)
    return chosen


@asynccontextmanager
async def choosing_alone() -> AsyncGenerator[None]:
    """Let one `orion up` of this user at a time choose ports and listen on them: in between they are anybody's."""
    path = Path(tempfile.gettempdir()) / f"orion-ports-{os.getuid()}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        while not _locked(descriptor):  # noqa: ASYNC110 - it is another process that is waited for
            await asyncio.sleep(_PAUSE_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
