"""The files of a backup: made durable, described, compared with their description, and private while they are plain."""

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from orion_db.backups.manifest import File
from orion_db.errors import Exit, Problem

PARTIAL = ".partial-"
_PLAIN = "orion-backup-"
_LOCK = "lock"
_ABANDONED_SECONDS = 3600


@dataclass(frozen=True)
class Held:
    """A private folder that is being worked in; `descriptor` is its lock, for the programs that work in it too."""

    path: Path
    descriptor: int


@contextmanager
def held(path: Path) -> Generator[Held]:
    """Make the folder, for its owner alone, and hold its lock; whatever is left there at the end is deleted.

    A child that inherits the descriptor holds the lock as well, so nobody sweeps away what an orphaned pg_dump writes.
    """
    unlocked = path.with_name(f".new{path.name}")  # a name that nobody sweeps until the lock is held
    unlocked.mkdir(mode=0o700)
    descriptor = os.open(unlocked / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        unlocked.rename(path)
        yield Held(path, descriptor)
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


@contextmanager
def plain_folder() -> Generator[Held]:
    """A private folder under $TMPDIR for what must not lie in the clear beside the backups."""
    sweep(Path(tempfile.gettempdir()), _PLAIN)
    with held(Path(tempfile.gettempdir()) / f"{_PLAIN}{os.urandom(8).hex()}") as folder:
        yield folder


def publish(folder: Held, goal: Path) -> None:
    """Give a finished folder its name, so that it is there wholly or not at all, and stays after a loss of power."""
    (folder.path / _LOCK).unlink()
    for parent in [folder.path, *(path for path in folder.path.rglob("*") if path.is_dir())]:
        fsync(parent)
    folder.path.rename(goal)
    fsync(goal.parent)


def sweep(folder: Path, prefix: str = PARTIAL) -> list[Path]:
    """Delete what killed processes have left: a lock that can be had, or none for an hour. Others' are passed over."""
    swept: list[Path] = []
    for path in folder.glob(f"{prefix}*"):
        with suppress(OSError):
            if path.lstat().st_uid == os.geteuid() and stat.S_ISDIR(path.lstat().st_mode) and _abandoned(path):
                shutil.rmtree(path)
                swept.append(path)
    return swept


def _abandoned(path: Path) -> bool:
    try:
        with (path / _LOCK).open("rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        return time.time() - path.stat().st_mtime > _ABANDONED_SECONDS
    except BlockingIOError:
        return False


@contextmanager
def in_use(path: Path) -> Generator[None]:
    """Keep the backup, which has a manifest, from being pruned while it is read. Raises Problem `backup_gone`."""
    manifest = path / "manifest.json"
    with ExitStack() as stack:
        try:
            fcntl.flock(stack.enter_context(manifest.open("rb")), fcntl.LOCK_SH)
            manifest.stat()  # a prune may have had the lock before
        except FileNotFoundError:
            raise Problem(
                "backup_gone",
                Exit.FAILED,
                f"The backup {path.name} is gone.",
                "Somebody pruned it in this moment.",
                "Repeat; `orion db backup list` shows those that there are.",
            ) from None
        yield


def remove(path: Path) -> bool:
    """Delete a backup, unless somebody reads it: first its name, so that half a backup is never taken for one."""
    with suppress(FileNotFoundError), (path / "manifest.json").open("rb") as file:  # another prune was faster
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        goal = path.with_name(f"{PARTIAL}{path.name}")
        path.rename(goal)
        shutil.rmtree(goal)
    return True


def describe(folder: Path) -> tuple[File, ...]:
    """Name, size and SHA-256 of every file below, each made durable."""
    found: list[File] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        fsync(path)
        found.append(File(path.relative_to(folder).as_posix(), path.stat().st_size, sha256(path)))
    return tuple(found)


def faults(folder: Path, files: tuple[File, ...]) -> list[str]:
    """How the folder differs from its description, each file named; nothing when it does not."""
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    found = [f"{name} does not belong to it" for name in sorted(there - {file.name for file in files})]
    for file in files:
        path = folder / file.name
        if path.is_symlink() or not path.is_file():
            found.append(f"{file.name} is missing")
        elif path.stat().st_size != file.size:
            found.append(f"{file.name} has {path.stat().st_size} bytes and should have {file.size}")
        elif sha256(path) != file.sha256:
            found.append(f"{file.name} was changed: its SHA-256 is another one")
    return found


def complete(folder: Path, files: tuple[File, ...]) -> bool:
    """Whether every file is there in its size. What is in them takes long to read: `faults`."""
    paths = {folder / file.name: file.size for file in files}
    return all(path.is_file() and path.stat().st_size == size for path, size in paths.items())


def sha256(path: Path) -> str:
    """Of the file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_durably(path: Path, content: bytes) -> None:
    """Replace the file, for its owner alone; whoever looks meanwhile sees the old or the new one."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(new, "xb", opener=private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    fsync(path.parent)


def private(path: str, flags: int) -> int:
    """An opener for files that only their owner may read."""
    return os.open(path, flags, 0o600)


def fsync(path: Path) -> None:
    """Make a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
