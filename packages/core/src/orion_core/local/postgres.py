"""An embedded PostgreSQL server for development and tests: real PostgreSQL, owned by the process that starts it.

    server = start(Path(".orion/postgres"), port=7432)
    server.url("orion_auth", "orion_auth", "secret")
    server.stop()

The server ends with its owner, even when that is killed with SIGKILL; what it stored stays. It listens on the
loopback address only, demands SCRAM passwords, and keeps its superuser's in a file only the owner can read.
"""

import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal
from urllib.parse import quote

import psutil

from orion_core.local import cluster as clusters
from orion_core.local.accounts import Account, account_for, let_through
from orion_core.local.cluster import SUPERUSER, Cluster
from orion_core.local.ports import LOOPBACK, free_port, holder, is_free

StopMode = Literal["fast", "immediate"]

START_SECONDS = 60.0
STOP_SECONDS = 30.0

# The longest socket path that both Linux (108) and macOS (104 bytes, with the ending zero) accept.
_LONGEST_SOCKET_PATH = 103
_LOG_LIMIT_BYTES = 10 * 1024 * 1024

# A dying server's children hold its shared memory for a moment after it: PostgreSQL says so, and we try again.
_PASSING = ("pre-existing shared memory block", "is still in use", "postmaster.pid")

_SIGNALS: dict[StopMode, signal.Signals] = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}

# After a crash one syncfs() instead of an fsync() of each of some 4,000 files: recovery takes 0.1 s instead of 5 s.
_DURABLE = {"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}

_UNSAFE_BUT_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}

_log = logging.getLogger(__name__)


class PostgresInUseError(RuntimeError):
    """Another living process owns the data directory."""


class PostgresStartError(RuntimeError):
    """The server did not come up; the message ends with what it logged."""


class PortInUseError(PostgresStartError):
    """Somebody else listens on the port."""


class PostgresServer:
    """A running server. Made by `start`; usable from any thread, one caller at a time."""

    def __init__(
        self, cluster: Cluster, password: str, port: int, process: subprocess.Popen[bytes], lock: IO[str]
    ) -> None:
        self.data_directory = cluster.data
        self.log_file = cluster.log_file
        self.port = port
        self._process = process
        self._guard = _Guard(process.pid)
        self._lock = lock
        self._password = password

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def admin_url(self) -> str:
        """URL of the superuser on the database `postgres`."""
        return self.superuser_url("postgres")

    def superuser_url(self, database: str) -> str:
        return self.url(database, SUPERUSER, self._password)

    def url(self, database: str, user: str, password: str) -> str:
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{login}@{LOOPBACK}:{self.port}/{quote(database, safe='')}"

    def wait(self, timeout: float | None = None) -> int:
        """Block until the server has ended, for whatever reason; its exit status.

        Raises `subprocess.TimeoutExpired` after `timeout` seconds.
        """
        return self._process.wait(timeout)

    def stop(self, mode: StopMode = "fast", timeout: float = STOP_SECONDS) -> None:
        """End the server and give the data directory back; harmless when it has ended already.

        "fast" breaks connections, rolls back and writes a checkpoint; "immediate" is a crash on purpose, and the
        next start recovers. A server that has not ended after `timeout` seconds is ended the harder way.
        """
        if self.is_running:
            _end(psutil.Process(self.pid), mode, timeout)
        self._process.wait()
        self._guard.dismiss()
        self._lock.close()


def start(data_directory: Path, port: int = 0, *, durable: bool = True) -> PostgresServer:
    """Start PostgreSQL on `data_directory`, making it when it does not exist, and wait until it accepts connections.

    Port 0 takes a free one. `durable=False` is for tests: nothing is forced to disk, and a power failure may
    destroy the data. A server left running by an owner that was killed is stopped first.
    Raises PostgresInUseError, PortInUseError, PostgresStartError, ClusterError, AccountError.
    """
    cluster = Cluster(data_directory.absolute())
    cluster.data.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(cluster)
    try:
        account = account_for(cluster.data)
        let_through(account, clusters.binaries() / "postgres")
        let_through(account, cluster.data)
        _stop_orphan(cluster)
        clusters.initialize(cluster, account, durable=durable)
        if port and not is_free(port):
            raise PortInUseError(f"Port {port} is in use by {holder(port) or 'another process'}.")
        password = cluster.password
        process, chosen = _start_until_ready(cluster, account, port, durable=durable)
        return PostgresServer(cluster, password, chosen, process, lock)
    except BaseException:
        lock.close()
        raise


class _Guard:
    """Stops the server when its owner is gone, however that came about.

    A shell waits for the end of a pipe whose other end only we hold. It is told on the pipe when there is
    nothing left to guard.
    """

    _SCRIPT = 'read -r _ || kill -INT "$1" 2>/dev/null'

    def __init__(self, pid: int) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", self._SCRIPT, "orion-postgres-guard", str(pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C in the terminal is for us, not for the guard
        )

    def dismiss(self) -> None:
        if self._process.poll() is None:
            self._process.communicate(b"done\n")


def _lock(cluster: Cluster) -> IO[str]:
    """Own the data directory as long as this process lives: the system drops the lock with it."""
    file = cluster.lock_file.open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise PostgresInUseError(
            f"PostgreSQL on {cluster.data} belongs to another running process (pid {owner})."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _stop_orphan(cluster: Cluster) -> None:
    orphan = clusters.running_postmaster(cluster)
    if orphan is None:
        return
    _log.warning("stopping PostgreSQL (pid %d), left on %s by a process that was killed", orphan.pid, cluster.data)
    _end(orphan, "fast", STOP_SECONDS)


def _end(process: psutil.Process, mode: StopMode, timeout: float) -> None:
    """Signal, wait, and escalate: what was asked for, then immediate, then SIGKILL."""
    steps = [_SIGNALS[mode], signal.SIGQUIT, signal.SIGKILL]
    for step in steps:
        try:
            process.send_signal(step)
            process.wait(timeout)
            return
        except psutil.NoSuchProcess:
            return
        except psutil.TimeoutExpired:
            _log.warning("PostgreSQL (pid %d) did not end within %.0f s of %s", process.pid, timeout, step.name)


def _start_until_ready(
    cluster: Cluster, account: Account | None, port: int, *, durable: bool
) -> tuple[subprocess.Popen[bytes], int]:
    """Start, and start again while the reason of a failure is one that passes."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        chosen = port or free_port()
        log_start = _log_size(cluster)
        process = _spawn(cluster, account, chosen, durable=durable)
        try:
            if _becomes_ready(cluster, process, deadline):
                return process, chosen
        except BaseException:
            process.kill()
            process.wait()
            raise
        said = _logged_since(cluster, log_start)
        lost_port = not port and "Address already in use" in said
        if time.monotonic() > deadline or not (lost_port or any(reason in said for reason in _PASSING)):
            raise PostgresStartError(f"PostgreSQL did not start on {cluster.data}:\n{said}")
        time.sleep(0.1)


def _spawn(cluster: Cluster, account: Account | None, port: int, *, durable: bool) -> subprocess.Popen[bytes]:
    settings = {"port": str(port), "listen_addresses": LOOPBACK, **_socket_setting(cluster, port), **_libraries()}
    settings |= _DURABLE if durable else _UNSAFE_BUT_FAST
    command = [str(clusters.binaries() / "postgres"), "-D", str(cluster.data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with _open_log(cluster) as log:
        return subprocess.Popen(
            command,
            cwd="/",
            env=clusters.ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C in the terminal is for us; we stop the server after its clients
            user=account and account.uid,
            group=account and account.gid,
            extra_groups=None if account is None else [],
        )


def _socket_setting(cluster: Cluster, port: int) -> dict[str, str]:
    """A Unix socket inside the data directory, which only its owner can enter, where the path is short enough."""
    path = cluster.data / f".s.PGSQL.{port}"
    fits = len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH
    return {"unix_socket_directories": str(cluster.data) if fits else ""}


def _libraries() -> dict[str, str]:
    present: Iterator[Path] = (clusters.binaries().parent / "lib").glob("pg_stat_statements.*")
    return {"shared_preload_libraries": "pg_stat_statements"} if next(present, None) else {}


def _becomes_ready(cluster: Cluster, process: subprocess.Popen[bytes], deadline: float) -> bool:
    """True when it accepts connections, False when it has ended or the time is up."""
    while process.poll() is None:
        if clusters.read_status(cluster) == (process.pid, "ready"):
            return True
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            return False
        time.sleep(0.02)
    return False


def _open_log(cluster: Cluster) -> IO[bytes]:
    if _log_size(cluster) > _LOG_LIMIT_BYTES:
        cluster.log_file.rename(cluster.log_file.with_name(f"{cluster.log_file.name}.1"))
    # Failed statements are logged with the values that stood in them: the log is for its owner alone.
    return os.fdopen(os.open(cluster.log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def _log_size(cluster: Cluster) -> int:
    return cluster.log_file.stat().st_size if cluster.log_file.exists() else 0


def _logged_since(cluster: Cluster, position: int) -> str:
    with cluster.log_file.open("rb") as file:
        file.seek(position if position <= _LOG_LIMIT_BYTES else 0)
        return file.read().decode(errors="replace")
