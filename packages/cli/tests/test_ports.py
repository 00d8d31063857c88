"""Ports: the wished ones where they are free, else the next, and the user hears of it."""

import os
import socket

import pytest

from orion_cli.ports import NoFreePort, choose_ports

Moved = tuple[str, int, str, int]


class Told(list[Moved]):
    def __call__(self, name: str, wished: int, holder: str, chosen: int) -> None:
        self.append((name, wished, holder, chosen))


def choose(wishes: dict[str, int], busy: set[int]) -> tuple[dict[str, int], list[Moved]]:
    moved = Told()
    chosen = choose_ports(wishes, moved, free=lambda port: port not in busy)
    return chosen, moved


def test_wishes_are_granted_when_free() -> None:
    assert choose({"auth": 7101, "user": 7102}, set()) == ({"auth": 7101, "user": 7102}, [])


def test_a_busy_port_gives_way_to_the_next_that_nobody_wishes_for() -> None:
    chosen, moved = choose({"auth": 7101, "user": 7102}, {7101, 7103})
    assert chosen == {"auth": 7104, "user": 7102}
    assert [(name, wished, port) for name, wished, _, port in moved] == [("auth", 7101, 7104)]


def test_two_that_move_do_not_meet() -> None:
    chosen, _ = choose({"auth": 7101, "user": 7102}, {7101, 7102})
    assert chosen == {"auth": 7103, "user": 7104}


def test_there_may_be_none() -> None:
    with pytest.raises(NoFreePort, match="65000 upwards"):
        choose({"auth": 65000}, set(range(65000, 65536)))


def test_the_holder_of_a_real_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        moved = Told()
        chosen = choose_ports({"auth": port}, moved)
    assert chosen["auth"] != port
    assert f"pid {os.getpid()}" in moved[0][2]
