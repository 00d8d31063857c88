"""Which ports the parts of `orion up` listen on."""

from collections.abc import Callable, Mapping

from orion_core.local.ports import holder, is_free

HIGHEST_PORT = 65_535

DEFAULT_PORTS = {"mailbox": 7104, "worker": 7105, "smtp": 7125, "postgres": 7432}
"""Beside the services, which name their own."""


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
