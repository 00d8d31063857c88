"""Keeps processes running: starts them, reads what they say, starts them again, and leaves none behind."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from orion_cli.log_stream import LogStream
from orion_core.local.parent import SUPERVISED

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 5.0
HEALTHY_SECONDS = 30.0
STOP_SECONDS = 10.0

_LONGEST_LINE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Child:
    """A process to keep running."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)  # it holds secrets
    directory: Path | None = None
    ready_url: str | None = None
    """Answers 200 when the process can work."""


class Supervisor:
    """A set of children. All of them end with this process, however it ends."""

    def __init__(self, log: LogStream, on_change: Callable[[], None] = lambda: None) -> None:
        self._log = log
        self._on_change = on_change
        self._running: dict[str, _Supervised] = {}

    @property
    def pids(self) -> dict[str, int]:
        return {name: one.pid for name, one in self._running.items() if one.pid}

    @property
    def restarts(self) -> dict[str, int]:
        """How often each child has died and been started again."""
        return {name: one.restarts for name, one in self._running.items()}

    def start(self, child: Child) -> None:
        """Keep `child` running from now on. Returns at once."""
        self._running[child.name] = _Supervised(child, self._log, self._on_change)

    async def stop(self, names: Iterable[str] | None = None, timeout: float = STOP_SECONDS) -> None:
        """Ask these children (default: all) to end, all at once; kill those that have not after `timeout` seconds."""
        chosen = list(self._running) if names is None else list(names)
        await asyncio.gather(*(self._running[name].stop(timeout) for name in chosen))
        for name in chosen:
            del self._running[name]

    def kill(self) -> None:
        """End all children now; `stop` still has to be awaited."""
        for one in self._running.values():
            one.kill()


class _Supervised:
    """One child and all its lives."""

    def __init__(self, child: Child, log: LogStream, on_change: Callable[[], None]) -> None:
        self.restarts = 0
        self.pid: int | None = None
        self._child = child
        self._log = log
        self._on_change = on_change
        self._stopping = asyncio.Event()
        self._life = asyncio.create_task(self._live(), name=child.name)

    async def stop(self, timeout: float) -> None:
        self._stopping.set()
        self._signal(signal.SIGTERM)
        done, _ = await asyncio.wait([self._life], timeout=timeout)
        if not done:
            self._log.say(self._child.name, "killed, it did not stop", "warning", seconds=timeout)
            self.kill()
        await self._life

    def kill(self) -> None:
        self._stopping.set()
        self._signal(signal.SIGKILL)

    async def _live(self) -> None:
        delay = FIRST_DELAY_SECONDS
        while not self._stopping.is_set():
            born = time.monotonic()
            ended = await self._one_life()
            if self._stopping.is_set():
                return
            if time.monotonic() - born > HEALTHY_SECONDS:
                delay = FIRST_DELAY_SECONDS
            self._log.say(self._child.name, "ended, starting again", "warning", how=ended, in_seconds=delay)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
            self.restarts += 1
            delay = min(delay * 2, LONGEST_DELAY_SECONDS)

    async def _one_life(self) -> str:
        """From its start to its end; how it ended."""
        said, its_output = os.pipe()
        its_input, our_life = os.pipe()  # nothing is written to it: that it is open says that we live
        try:
            process = await asyncio.create_subprocess_exec(
                *self._child.command,
                env={**self._child.environment, SUPERVISED: "1"},
                cwd=self._child.directory,
                stdin=its_input,
                stdout=its_output,
                stderr=its_output,
                start_new_session=True,  # Ctrl-C is for us; and what it starts can be ended with it, as one group
            )
        except OSError as error:
            os.close(said)
            os.close(our_life)
            return str(error)
        finally:
            os.close(its_output)
            os.close(its_input)
        self.pid = process.pid
        self._on_change()
        if self._stopping.is_set():  # stop came while it was being started
            self._signal(signal.SIGTERM)
        try:
            return await self._until_end(process, said)
        finally:
            os.close(our_life)

    async def _until_end(self, process: asyncio.subprocess.Process, said: int) -> str:
        listening = asyncio.create_task(self._listen(said))
        try:
            code = await process.wait()
        finally:
            self._signal(signal.SIGKILL)  # whatever it started and left behind
            self.pid = None
        await asyncio.wait([listening], timeout=1)
        listening.cancel()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    async def _listen(self, said: int) -> None:
        reader = asyncio.StreamReader()
        with os.fdopen(said, "rb") as pipe:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), pipe
            )
            try:
                rest = b""
                while chunk := await reader.read(_LONGEST_LINE_BYTES):
                    *lines, rest = (rest + chunk).split(b"\n")
                    if len(rest) > _LONGEST_LINE_BYTES:
                        lines, rest = [*lines, rest], b""
                    for line in lines:
                        self._log.write(self._child.name, line.decode(errors="replace"))
                if rest:
                    self._log.write(self._child.name, rest.decode(errors="replace"))
            finally:
                transport.close()

    def _signal(self, number: signal.Signals) -> None:
        """To the child alone when it is to end its own processes in order; to all of them when killed."""
        if self.pid is None:
            return
        # Nobody is left in the group; macOS answers EPERM instead of ESRCH while they are only dead and not yet buried.
        with suppress(ProcessLookupError, PermissionError):
            if number == signal.SIGKILL:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)
