"""Which ports the parts of `orion up` listen on."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from orion_core.local.ports import holder, is_free

HIGHEST_PORT = 65_535

DEFAULT_PORTS = {"mailbox": 7104, "worker": 7105, "smtp": 7125, "postgres": 7432}
"""Beside the services, which name their own."""


class NoFreePort(Exception):
    """Every port above the wished one is taken."""


class PortReservations:
    """Ports that are one `orion up`'s from its choice to its end, whether or not anything listens on them.

    A part that dies leaves its port free until it is started again. Another `orion up` of this user must not take it
    then: clients of the first would go on talking, without knowing it, to the services of the second.
    """

    def __init__(self, path: Path | None = None) -> None:
        path = path or Path(tempfile.gettempdir()) / f"orion-ports-{os.getuid()}.lock"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)

    def take(self, port: int) -> bool:
        """Reserve the port, unless somebody listens on it or another process has reserved it."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)  # byte N of the file stands for port N
        except (BlockingIOError, PermissionError):
            return False
        if is_free(port):
            return True
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, port)
        return False

    def release(self) -> None:
        """Give all of them back, as the system does when this process ends in any other way."""
        os.close(self._file)


def choose_ports(
    wishes: Mapping[str, int], take: Callable[[int], bool], moved: Callable[[str, int, str, int], None]
) -> dict[str, int]:
    """For each name its wished port, or the next that `take` gives and nobody else here wishes for.

    `moved(name, wished, holder, chosen)` is told of each that could not have its wish.
    """
    chosen: dict[str, int] = {}
    for name, wished in wishes.items():
        taken = {*wishes.values(), *chosen.values()} - {wished}
        others = (port for port in range(wished, HIGHEST_PORT) if port not in taken and take(port))
        port = next(others, None)
        if port is None:
            raise NoFreePort(f"No port from {wished} upwards is free for {name}.")
        chosen[name] = port
        if port != wished:
            moved(name, wished, holder(wished) or "another orion up or process", port)
    return chosen
