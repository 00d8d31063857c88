"""`orion up` from its first line to its last, with one small service instead of the three."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import pytest

from orion_core.local.ports import free_port

# The services of this environment are left out of the run: only the stub is started, on ports of the test's own.
UP = """
import sys
from orion_cli import main, ports, session, services
stub = services.find_service("stub")
session.installed_services = lambda: {"stub": stub}
ports.DEFAULT_PORTS.update(eval(sys.argv.pop()))
main.main()
"""


class Up:
    """A running `orion up`."""

    def __init__(self, directory: Path, environment: dict[str, str], ports: dict[str, int]) -> None:
        self.directory = directory
        self.log = directory / "up.log"
        with self.log.open("w") as log:
            command = [sys.executable, "-c", UP, "up", "--json", f"--directory={directory}", repr(ports)]
            self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)

    def summary(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        return orjson.loads(line)

    @property
    def state(self) -> dict[str, Any]:
        return orjson.loads((self.directory / ".orion" / "up.json").read_bytes())

    def processes(self) -> list[psutil.Process]:
        """All that belongs to this run, whoever its parent is now."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and (
                str(self.directory) in " ".join(process.cmdline()) or process.cwd() == str(self.directory)
            )
        except psutil.Error:
            return False


@pytest.fixture
def ports() -> dict[str, int]:
    return {"mailbox": free_port(), "smtp": free_port(), "postgres": free_port()}


@pytest.fixture
def clean_environment(stub_environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in stub_environment.items() if not name.endswith("_DATABASE_URL")}


Start = Callable[..., Up]


@pytest.fixture
def start(tmp_path: Path, clean_environment: dict[str, str], ports: dict[str, int]) -> Generator[Start]:
    started: list[Up] = []

    def begin(project: str = "project") -> Up:
        directory = tmp_path / project
        directory.mkdir(exist_ok=True)
        started.append(Up(directory, clean_environment, ports))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.communicate()
    for process in (process for one in started for process in one.processes()):
        process.kill()


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_up_and_down_again(start: Start, ports: dict[str, int]) -> None:
    up = start()
    file = up.directory / ".orion" / "up.json"
    until(file.exists)
    assert httpx.get(up.state["urls"]["stub"], trust_env=False).status_code == 200, "who waits for the file can go on"
    summary = up.summary()
    assert summary["urls"]["mailbox"] == f"http://127.0.0.1:{ports['mailbox']}"
    assert httpx.get(summary["urls"]["stub"], trust_env=False).status_code == 200
    assert httpx.get(summary["urls"]["mailbox"], trust_env=False).status_code == 200
    assert set(up.state["pids"]) == {"stub", "worker", "mailbox", "postgres"}
    assert "orion_stub" in up.state["environment"]["STUB_DATABASE_URL"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    second = start()
    assert second.process.wait(30) == 3
    assert f"process {up.process.pid}" in (up.directory / "up.log").read_text()

    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(30) == 0
    assert up.processes() == []
    assert not file.exists()


def test_whatever_is_killed_comes_back(start: Start) -> None:
    up = start()
    summary = up.summary()
    before: dict[str, int] = up.state["pids"]
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: set(up.state["pids"]) == set(before) and not set(up.state["pids"].values()) & set(before.values()))
    until(lambda: answers(summary["urls"]["stub"]) and answers(summary["urls"]["mailbox"]))
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(30) == 0
    assert up.processes() == []


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_nothing_outlives_a_killed_up_and_the_next_one_starts(start: Start) -> None:
    up = start()
    up.summary()
    up.process.kill()
    up.process.wait()
    until(lambda: up.processes() == [])
    again = start()
    again.summary()
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(30) == 0


def test_a_busy_port_is_named_and_avoided(start: Start, ports: dict[str, int]) -> None:
    with socket.create_server(("127.0.0.1", ports["mailbox"])):
        up = start()
        summary = up.summary()
        assert summary["urls"]["mailbox"] != f"http://127.0.0.1:{ports['mailbox']}"
        assert f"port={ports['mailbox']}" in up.log.read_text()
        assert f"pid {os.getpid()}" in up.log.read_text()
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(30) == 0


def test_the_port_of_a_part_that_has_died_is_not_taken_by_another_up(start: Start) -> None:
    up = start()
    summary = up.summary()
    up.process.send_signal(signal.SIGSTOP)  # so that it cannot start again what dies
    os.kill(up.state["pids"]["mailbox"], signal.SIGKILL)
    until(lambda: not answers(summary["urls"]["mailbox"]))
    other = start("other project")
    assert not set(other.summary()["urls"].values()) & set(summary["urls"].values())
    up.process.send_signal(signal.SIGCONT)
    until(lambda: answers(summary["urls"]["mailbox"]))
    for one in (up, other):
        one.process.send_signal(signal.SIGINT)
        assert one.process.wait(30) == 0


def test_ctrl_c_during_the_start_stops_what_has_been_started(start: Start) -> None:
    up = start()
    until(lambda: (up.directory / ".orion" / "postgres" / "postmaster.pid").exists())
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(30) == 0
    assert up.processes() == []


def test_a_second_ctrl_c_does_not_wait(start: Start) -> None:
    up = start()
    up.summary()
    os.kill(up.state["pids"]["worker"], signal.SIGSTOP)  # it will not answer to being asked
    up.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    began = time.monotonic()
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(30) == 0
    assert time.monotonic() - began < 5
    assert up.processes() == []


def test_a_database_that_cannot_be_reached_is_explained(start: Start, clean_environment: dict[str, str]) -> None:
    clean_environment["STUB_DATABASE_URL"] = f"postgresql://nobody:secret@127.0.0.1:{free_port()}/orion_stub"
    up = start()
    assert up.process.wait(30) == 1
    said = up.log.read_text()
    assert "No PostgreSQL server answers" in said
    assert "STUB_DATABASE_URL" in said
    assert "Traceback" not in said
    assert "secret" not in said
    assert not (up.directory / ".orion" / "postgres").exists()
