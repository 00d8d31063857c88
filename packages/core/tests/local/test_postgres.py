"""The embedded server, run for real: it keeps its data, and comes back from every way of being killed."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from orion_core.local import postgres
from orion_core.local.accounts import account_for
from orion_core.local.cluster import ClusterError
from orion_core.local.ports import free_port
from orion_core.local.postgres import PortInUseError, PostgresInUseError, PostgresServer


def ask(server: PostgresServer, query: str, url: str | None = None) -> object:
    async def once() -> object:
        address = (url or server.admin_url).replace("postgresql:", "postgresql+asyncpg:", 1)
        async with create_async_engine(address, poolclass=NullPool).begin() as connection:
            result = await connection.execute(text(query))
            return result.scalar() if result.returns_rows else None

    return asyncio.run(once())


def wait_until_gone(pid: int, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} is still there after {seconds} s"
        time.sleep(0.05)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "postgres"


@pytest.fixture
def server(data: Path) -> Iterator[PostgresServer]:
    started = postgres.start(data, durable=False)
    yield started
    started.stop("immediate")


def test_it_is_a_utf8_utc_server_that_checks_pages_and_counts_statements(server: PostgresServer) -> None:
    assert ask(server, "SHOW server_encoding") == "UTF8"
    assert ask(server, "SHOW timezone") == "UTC"
    assert ask(server, "SHOW data_checksums") == "on"
    assert ask(server, "SHOW shared_preload_libraries") == "pg_stat_statements"
    assert ask(server, "SELECT lower('ÄÉΣ')") == "äéσ"
    assert server.is_running


def test_the_superuser_needs_his_password(server: PostgresServer) -> None:
    wrong = server.url("postgres", "postgres", "wrong")
    with pytest.raises(DBAPIError, match="password authentication failed"):
        ask(server, "SELECT 1", wrong)
    password_file = server.data_directory.with_name("postgres.password")
    assert stat.S_IMODE(password_file.stat().st_mode) == 0o600
    assert password_file.stat().st_uid == os.geteuid()


def test_urls_quote_what_stands_in_them(server: PostgresServer) -> None:
    url = server.url("a/b", "u@x", "p:/?#%")
    assert url == f"postgresql://u%40x:p%3A%2F%3F%23%25@127.0.0.1:{server.port}/a%2Fb"


def test_data_survive_a_stop_and_a_sigkill(data: Path) -> None:
    server = postgres.start(data)
    ask(server, "CREATE TABLE kept AS SELECT 1 AS n")
    server.stop()
    assert not server.is_running

    server = postgres.start(data)
    ask(server, "INSERT INTO kept VALUES (2)")
    os.kill(server.pid, signal.SIGKILL)
    server.wait(10)
    server.stop()

    server = postgres.start(data)
    assert ask(server, "SELECT sum(n) FROM kept") == 3
    server.stop()
    server.stop()  # a second time is harmless


def test_one_data_directory_has_one_owner(server: PostgresServer) -> None:
    with pytest.raises(PostgresInUseError, match=f"pid {os.getpid()}"):
        postgres.start(server.data_directory)


def test_two_servers_run_side_by_side(server: PostgresServer, tmp_path: Path) -> None:
    other = postgres.start(tmp_path / "other", durable=False)
    assert other.port != server.port
    assert ask(other, "SELECT 1") == ask(server, "SELECT 1") == 1
    other.stop()


def test_a_busy_port_is_named_with_its_holder(server: PostgresServer, tmp_path: Path) -> None:
    with pytest.raises(PortInUseError, match=rf"Port {server.port} is in use by postgres \(pid \d+\)"):
        postgres.start(tmp_path / "other", port=server.port)


OWNER = """
import sys, time
from pathlib import Path
from orion_core.local import postgres
server = postgres.start(Path(sys.argv[1]), durable=False)
print(server.pid, flush=True)
time.sleep(600)
"""


def start_owner(data: Path) -> tuple[subprocess.Popen[str], int]:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(data)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        return owner, int(owner.stdout.readline())


def test_it_ends_with_an_owner_that_is_killed(data: Path) -> None:
    owner, pid = start_owner(data)
    owner.kill()
    owner.wait()
    wait_until_gone(pid)


def test_a_server_whose_owner_and_guard_were_killed_is_stopped_and_started_anew(data: Path) -> None:
    owner, pid = start_owner(data)
    guard = next(child for child in psutil.Process(owner.pid).children() if child.pid != pid)
    guard.kill()
    owner.kill()
    owner.wait()
    assert psutil.pid_exists(pid)

    server = postgres.start(data, durable=False)
    assert server.pid != pid
    assert ask(server, "SELECT 1") == 1
    assert not psutil.pid_exists(pid)
    server.stop()


def test_a_pid_file_that_now_names_a_stranger_is_no_obstacle(data: Path) -> None:
    postgres.start(data, durable=False).stop()
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n1\n1\n\n\n\nready\n")
    server = postgres.start(data, durable=False)
    assert ask(server, "SELECT 1") == 1
    server.stop()


def test_a_killed_server_that_nobody_has_waited_for_is_no_obstacle(data: Path) -> None:
    """Its number is still taken, as it is for a while in a container whose first process is slow to wait."""
    port = free_port()
    postgres.start(data, port, durable=False).stop()
    account = account_for(data)  # PostgreSQL minds only processes that it could signal
    with subprocess.Popen(["/bin/true"], user=account and account.uid) as unwaited:
        wait_until_gone(unwaited.pid)
        (data / "postmaster.pid").write_text(f"{unwaited.pid}\n{data}\n1\n{port}\n\n\n\nready\n")
        (data / f".s.PGSQL.{port}.lock").write_text(f"{unwaited.pid}\n{data}\n1\n{port}\n{data}\n")
        server = postgres.start(data, port, durable=False)
        assert ask(server, "SELECT 1") == 1
        server.stop()


def test_data_of_another_version_are_left_alone(data: Path) -> None:
    postgres.start(data, durable=False).stop()
    (data / "PG_VERSION").write_text("15\n")
    with pytest.raises(ClusterError, match=r"made by PostgreSQL 15, and the embedded server is PostgreSQL \d+"):
        postgres.start(data)


def test_an_interrupted_initdb_is_begun_anew(data: Path) -> None:
    unfinished = data.with_name("postgres.unfinished")
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    data.with_name("postgres.password").write_text("of the interrupted one")
    server = postgres.start(data, durable=False)
    assert ask(server, "SELECT 1") == 1
    server.stop()


def test_a_lost_password_file_is_explained(data: Path) -> None:
    postgres.start(data, durable=False).stop()
    data.with_name("postgres.password").unlink()
    with pytest.raises(ClusterError, match=r"postgres\.password is missing"):
        postgres.start(data)
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(data) in (p.info["cmdline"] or [])]


def test_a_data_directory_too_deep_for_a_socket_works_without(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60) / "postgres"
    server = postgres.start(deep, durable=False)
    assert ask(server, "SHOW unix_socket_directories") == ""
    server.stop()
