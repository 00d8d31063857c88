"""A project's `.orion` folder: what `orion up` keeps there, and the lock that lets one run at a time."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson


class AlreadyRunning(Exception):
    """Another `orion up` runs for this project; the message says which, and what to do."""


@dataclass(frozen=True)
class Project:
    """The folder that `orion up` is run for."""

    directory: Path

    @property
    def folder(self) -> Path:
        return self.directory / ".orion"

    @property
    def postgres_data(self) -> Path:
        return self.folder / "postgres"

    @property
    def secrets_file(self) -> Path:
        return self.folder / "secrets.env"

    @property
    def state_file(self) -> Path:
        """`up.json`: addresses, URLs and process ids of what runs; there is none when nothing does."""
        return self.folder / "up.json"

    @contextmanager
    def locked(self) -> Generator[None]:
        """Be the only one. The system drops the lock with this process, so a killed one leaves nothing to clean up."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / "up.lock").open("a+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                raise AlreadyRunning(_who(self.directory, file.read())) from None
            file.truncate(0)
            file.write(orjson.dumps({"pid": os.getpid(), "since": datetime.now().astimezone()}))
            file.flush()
            yield

    def write_state(self, state: dict[str, Any]) -> None:
        write_private(self.state_file, orjson.dumps(state, option=orjson.OPT_INDENT_2))

    def remove_state(self) -> None:
        self.state_file.unlink(missing_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _who(directory: Path, content: bytes) -> str:
    try:
        holder = orjson.loads(content)
        who = f"process {holder['pid']}, since {datetime.fromisoformat(holder['since']):%Y-%m-%d %H:%M:%S}"
        hint = f"Stop it with Ctrl-C in its terminal, or: kill {holder['pid']}"
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):  # it is being written at this moment
        who, hint = "another process", "Stop it with Ctrl-C in its terminal"
    return (
        f"orion up is already running for {directory} ({who}).\n{hint}\n.orion/up.json says where everything listens."
    )
