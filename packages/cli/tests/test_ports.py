"""Ports: the wished ones where they are free, else the next, and the user hears of it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from orion_cli.ports import NoFreePort, PortReservations, choose_ports
from orion_core.local.ports import free_port

Moved = tuple[str, int, str, int]


class Told(list[Moved]):
    def __call__(self, name: str, wished: int, holder: str, chosen: int) -> None:
        self.append((name, wished, holder, chosen))


def choose(wishes: dict[str, int], busy: set[int]) -> tuple[dict[str, int], list[Moved]]:
    moved = Told()
    chosen = choose_ports(wishes, lambda port: port not in busy, moved)
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


def test_the_holder_of_a_real_port_is_named(tmp_path: Path) -> None:
    reservations = PortReservations(tmp_path / "ports.lock")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        moved = Told()
        chosen = choose_ports({"auth": port}, reservations.take, moved)
    reservations.release()
    assert chosen["auth"] != port
    assert f"pid {os.getpid()}" in moved[0][2]


TAKE = """
import sys
from pathlib import Path
from orion_cli.ports import PortReservations
reservations = PortReservations(Path(sys.argv[1]))
print(reservations.take(int(sys.argv[2])), flush=True)
sys.stdin.read()
"""


def taker(path: Path, port: int) -> subprocess.Popen[str]:
    """Another process that tries to take the port, and says whether it could; it keeps what it has while it lives."""
    command = [sys.executable, "-c", TAKE, str(path), str(port)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_port_that_nobody_listens_on_stays_reserved_until_its_holder_is_gone(tmp_path: Path) -> None:
    path, port = tmp_path / "ports.lock", free_port()
    with taker(path, port) as first:
        assert said(first) == "True"
        with taker(path, port) as second:
            assert said(second) == "False"
            second.kill()
        first.kill()
    with taker(path, port) as third:
        assert said(third) == "True"
        third.kill()


def test_a_port_that_was_listened_on_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "ports.lock"
    reservations = PortReservations(path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        assert not reservations.take(port)
    with taker(path, port) as other:
        assert said(other) == "True"
        other.kill()
    reservations.release()
