"""`orion serve` and `orion worker`, on a small service of our own."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import httpx
import psutil
import pytest

from orion_core.local.ports import free_port, is_free


@contextmanager
def running(
    command: list[str], environment: dict[str, str], stdin: int | None = None
) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command, env=environment, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        for one in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []:
            one.kill()
        process.kill()
        process.communicate()


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def get(port: int, path: str = "/") -> str:
    return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5, trust_env=False).text


def wait_for_server(process: subprocess.Popen[str], port: int) -> None:
    until(lambda: not is_free(port) or process.poll() is not None)
    assert process.poll() is None, process.communicate()[0]


@pytest.fixture
def port() -> int:
    return free_port()


def test_it_serves_until_sigterm_and_gives_the_port_back(
    orion: list[str], stub_environment: dict[str, str], port: int
) -> None:
    with running([*orion, "serve", "stub", f"--port={port}"], stub_environment) as process:
        wait_for_server(process, port)
        worker, main = map(int, get(port).split())
        assert main == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert not psutil.pid_exists(worker)
    assert is_free(port)


def test_a_second_server_on_the_port_is_refused_and_the_first_one_named(
    orion: list[str], stub_environment: dict[str, str], port: int
) -> None:
    with running([*orion, "serve", "stub", f"--port={port}"], stub_environment) as process:
        wait_for_server(process, port)
        command = [*orion, "serve", "stub", f"--port={port}"]
        second = subprocess.run(command, env=stub_environment, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert f"Port {port} is in use by" in second.stderr


def test_workers_share_the_port_and_replace_each_other(
    orion: list[str], stub_environment: dict[str, str], port: int
) -> None:
    with running([*orion, "serve", "stub", f"--port={port}", "--workers=2"], stub_environment) as process:
        wait_for_server(process, port)
        until(lambda: len({get(port).split()[0] for _ in range(20)}) == 2)
        with pytest.raises(httpx.RemoteProtocolError):
            get(port, "/exit")
        until(lambda: len({get(port).split()[0] for _ in range(20)}) == 2)


def test_workers_count_together(orion: list[str], stub_environment: dict[str, str], port: int) -> None:
    with running([*orion, "serve", "stub", f"--port={port}", "--workers=2"], stub_environment) as process:
        wait_for_server(process, port)
        assert len({get(port, "/count").split()[0] for _ in range(40)}) == 2
        assert all('orion_events_applied_total{source="stub"} 40.0' in get(port, "/metrics") for _ in range(10))


def test_a_worker_does_not_outlive_its_killed_main_process(
    orion: list[str], stub_environment: dict[str, str], port: int
) -> None:
    with running([*orion, "serve", "stub", f"--port={port}"], stub_environment) as process:
        wait_for_server(process, port)
        worker = int(get(port).split()[0])
        process.kill()
        process.wait()
        until(lambda: not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE)
    assert is_free(port)


def test_it_ends_when_the_pipe_of_its_supervisor_closes(
    orion: list[str], stub_environment: dict[str, str], port: int
) -> None:
    reading, writing = os.pipe()
    supervised = stub_environment | {"ORION_SUPERVISED": "1"}
    with running([*orion, "serve", "stub", f"--port={port}"], supervised, stdin=reading) as process:
        os.close(reading)
        wait_for_server(process, port)
        os.close(writing)
        assert process.wait(10) == 0


def test_a_wrong_setting_is_named_without_a_traceback(orion: list[str], stub_environment: dict[str, str]) -> None:
    done = subprocess.run(
        [*orion, "serve", "stub"],
        env=stub_environment | {"ORION_LOG_LEVEL": "loud"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("stub cannot start:\nORION_LOG_LEVEL is wrong")


def test_the_worker_works_until_it_is_asked_to_stop(orion: list[str], stub_environment: dict[str, str]) -> None:
    with running([*orion, "worker", "stub"], stub_environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stdout.readline() == "worked\n"


def test_a_worker_that_fails_takes_the_others_down_in_order(orion: list[str], stub_environment: dict[str, str]) -> None:
    done = subprocess.run(
        [*orion, "worker", "stub", "failing"], env=stub_environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "worked\n" in done.stdout
    assert '"exc_value":"no work today"' in done.stdout
    assert "Traceback" not in done.stderr


def test_words_that_mean_nothing_are_refused(orion: list[str], stub_environment: dict[str, str]) -> None:
    for words in (["serve", "nobody"], ["worker", "nobody"], ["serve", "all", "--port=1"]):
        done = subprocess.run([*orion, *words], env=stub_environment, capture_output=True, text=True, check=False)
        assert done.returncode == 2, words
