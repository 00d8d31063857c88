"""The whole platform as a newcomer starts it: `orion up` in a folder of its own, over real sockets."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

import pytest

START_SECONDS = 60
STOP_SECONDS = 40
INHERITED = ("PATH", "HOME", "LANG")


@dataclass
class Platform:
    """A running `orion up`."""

    directory: Path
    process: subprocess.Popen[str]
    summary: dict[str, Any]
    """What it printed when all was ready."""

    @property
    def urls(self) -> dict[str, str]:
        """Base URLs by the name of the service, and of the mailbox."""
        return self.summary["urls"]

    @property
    def state(self) -> dict[str, Any]:
        """`.orion/up.json` as it is now: process ids change when something was killed."""
        return json.loads((self.directory / ".orion" / "up.json").read_text())

    def owner_url(self, variable: str) -> str:
        """The URL of a database's owner, such as `AUTH_DATABASE_OWNER_URL`."""
        return self.state["environment"][variable]

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)


StartPlatform = Callable[..., Platform]


@contextmanager
def _running(directory: Path, log: TextIO, environment: dict[str, str]) -> Generator[Platform]:
    clean = {name: os.environ[name] for name in INHERITED if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", "orion_cli", "up", "--json", "--directory", str(directory)],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=clean | environment,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"orion up ended with {process.wait()}:\n{Path(log.name).read_text()[-4000:]}"
        yield Platform(directory, process, json.loads(line))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        process.stdout.close()


@contextmanager
def _folder() -> Generator[Path]:
    """A folder that PostgreSQL reaches when root runs the tests; pytest keeps closing its own to all others."""
    with TemporaryDirectory(prefix="orion-platform-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def start_platform() -> Generator[StartPlatform]:
    """Start `orion up` in the test's folder, with the given environment variables and nothing else that matters."""
    with _folder() as folder, (folder / "up.log").open("w") as log, ExitStack() as stack:

        def start(**environment: str) -> Platform:
            return stack.enter_context(_running(folder, log, environment))

        yield start


@pytest.fixture(scope="module")
def platform() -> Generator[Platform]:
    """One `orion up` for the tests of a module."""
    with _folder() as folder, (folder / "up.log").open("w") as log, _running(folder, log, {}) as running:
        yield running
