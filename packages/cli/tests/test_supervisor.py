"""The supervisor, with real processes: it restarts what dies, stops what it started, and leaves nothing behind."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable

import psutil
import pytest

from orion_cli.log_stream import LogStream
from orion_cli.supervisor import Child, Supervisor

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPER
PARENT = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
WATCHING = (
    "from orion_core.local.parent import exit_with_parent; exit_with_parent()\n"
    "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
)


def a_child(code: str, name: str = "child") -> Child:
    return Child(name, (sys.executable, "-c", code), dict(os.environ))


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 -- other processes bring it about
            await asyncio.sleep(0.02)


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
async def supervisor(said: io.StringIO) -> AsyncGenerator[Supervisor]:
    supervisor = Supervisor(LogStream(said))
    yield supervisor
    await supervisor.stop(timeout=2)


async def test_a_killed_child_is_started_again(supervisor: Supervisor, said: io.StringIO) -> None:
    supervisor.start(a_child(SLEEPER))
    await until(lambda: supervisor.pids)
    first = supervisor.pids["child"]
    os.kill(first, signal.SIGKILL)
    await until(lambda: supervisor.pids.get("child", first) != first)
    assert supervisor.restarts == {"child": 1}
    assert "how=SIGKILL in_seconds=0.2" in said.getvalue()


async def test_one_that_keeps_ending_is_started_ever_more_rarely(supervisor: Supervisor, said: io.StringIO) -> None:
    supervisor.start(a_child("raise SystemExit(3)"))
    await until(lambda: "in_seconds=0.8" in said.getvalue())
    assert [f"in_seconds={delay}" in said.getvalue() for delay in (0.2, 0.4, 0.8)] == [True] * 3
    assert '"exit code 3"' in said.getvalue()


async def test_what_cannot_be_started_is_said(supervisor: Supervisor, said: io.StringIO) -> None:
    supervisor.start(Child("child", ("/nowhere/orion",), {}))
    await until(lambda: "No such file" in said.getvalue())


async def test_stopping_asks_first_and_then_insists(supervisor: Supervisor, said: io.StringIO) -> None:
    supervisor.start(a_child(SLEEPER, "gentle"))
    supervisor.start(a_child(STUBBORN, "stubborn"))
    await until(lambda: said.getvalue().count(" up\n") == 2)
    pids = supervisor.pids
    await supervisor.stop(timeout=0.5)
    assert not any(is_alive(pid) for pid in pids.values())
    assert said.getvalue().count("killed, it did not stop") == 1
    assert supervisor.pids == {}


async def test_what_a_child_started_goes_with_it(supervisor: Supervisor, said: io.StringIO) -> None:
    supervisor.start(a_child(PARENT))
    await until(lambda: "\n" in said.getvalue())
    grandchild = int(said.getvalue().split()[1])
    os.kill(supervisor.pids["child"], signal.SIGKILL)
    await until(lambda: not is_alive(grandchild))


async def test_stop_also_ends_the_wait_for_the_next_start(supervisor: Supervisor, said: io.StringIO) -> None:
    supervisor.start(a_child("raise SystemExit(3)"))
    await until(lambda: "in_seconds=1.6" in said.getvalue())
    began = time.monotonic()
    await supervisor.stop()
    assert time.monotonic() - began < 1


async def test_output_without_line_ends_is_cut_and_kept_going(supervisor: Supervisor, said: io.StringIO) -> None:
    supervisor.start(a_child("print('x' * 300_000, flush=True); " + SLEEPER))
    await until(lambda: " up\n" in said.getvalue())
    assert said.getvalue().count("x") == 300_000


def test_nothing_outlives_a_killed_supervisor() -> None:
    script = (
        "import asyncio, os, sys\n"
        "from orion_cli.log_stream import LogStream\n"
        "from orion_cli.supervisor import Child, Supervisor\n"
        "async def main():\n"
        "    supervisor = Supervisor(LogStream())\n"
        "    for name in 'ab':\n"
        f"        supervisor.start(Child(name, (sys.executable, '-c', {WATCHING!r}), dict(os.environ)))\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    running = subprocess.Popen([sys.executable, "-u", "-c", script], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    with running.stdout as lines:
        pids = [int(lines.readline().split()[1]) for _ in "ab"]
    assert all(is_alive(pid) for pid in pids)
    running.kill()
    running.wait()
    asyncio.run(until(lambda: not any(is_alive(pid) for pid in pids), seconds=5))
