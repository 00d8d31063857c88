"""PostgreSQL servers for these tests: the embedded 18, and Debian's 15 where it is installed."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from orion_core.local.ports import free_port
from orion_core.local.postgres import start

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


@contextmanager
def embedded_server() -> Generator[str]:
    """URL (without a database) of a superuser on a throw-away embedded server."""
    folder = Path(tempfile.mkdtemp(prefix="orion-db-tests-"))
    server = start(folder / "postgres", durable=False)
    try:
        yield server.admin_url.rpartition("/")[0]
    finally:
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def debian_server() -> Generator[str]:
    """The same on PostgreSQL 15 of Debian, run by an unprivileged account."""
    account = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    folder = Path(tempfile.mkdtemp(prefix="orion-db-tests-15-"))
    os.chown(folder, account.pw_uid, account.pw_gid)
    password_file = folder / "password"
    password_file.write_text("postgres", encoding="ascii")
    os.chown(password_file, account.pw_uid, account.pw_gid)
    port = free_port()
    initdb = [DEBIAN_15 / "initdb", "-D", folder / "data", "-U", "postgres", "--pwfile", password_file, "--no-sync"]
    _run_as(account.pw_uid, [*initdb, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"])
    settings = f"port={port} listen_addresses=127.0.0.1 unix_socket_directories={folder} fsync=off".split()
    command = [DEBIAN_15 / "postgres", "-D", folder / "data", *(part for s in settings for part in ("-c", s))]
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        command, cwd="/", user=account.pw_uid if os.geteuid() == 0 else None, stdout=log, stderr=log
    )
    try:
        _wait_until_ready(folder / "data" / "postmaster.pid")
        yield f"postgresql://postgres:postgres@127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def has_debian_15() -> bool:
    return (DEBIAN_15 / "postgres").exists()


async def run(url: str, statement: str) -> list[asyncpg.Record]:
    """One statement on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


def _run_as(uid: int, command: list[object]) -> None:
    subprocess.run(
        [str(part) for part in command],
        cwd="/",
        user=uid if os.geteuid() == 0 else None,
        check=True,
        capture_output=True,
    )


def _wait_until_ready(pid_file: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        lines = pid_file.read_text(encoding="ascii").splitlines() if pid_file.exists() else []
        if len(lines) > 7 and lines[7].strip() == "ready":
            return
        time.sleep(0.05)
    raise TimeoutError("PostgreSQL 15 did not start")
