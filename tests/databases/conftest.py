"""The three databases as `orion db init` makes them, on the embedded PostgreSQL 18 and on Debian's 15."""

import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url

import orion_db
from orion_core.local.ports import free_port
from orion_core.service import Service, installed_services
from orion_db.initialize import initialize

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "databases-test"


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server for the run, and a superuser on it."""

    version: int
    admin_url: str

    def target(self, service: Service, database: str) -> orion_db.Target:
        url = make_url(self.admin_url).set(database=database)
        login = url.set(username=f"databases_test_{service.name}", password=PASSWORD)
        return orion_db.Target(
            service, login.render_as_string(hide_password=False), url.render_as_string(hide_password=False)
        )

    async def drop(self, database: str) -> None:
        connection = await asyncpg.connect(self.admin_url)
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        finally:
            await connection.close()


@dataclass(frozen=True)
class Platform:
    """All services' databases on one server, migrated, with development seeds."""

    server: Server
    targets: Mapping[str, orion_db.Target]

    async def read(self, service: str, statement: str) -> list[asyncpg.Record]:
        """Rows, as the server's superuser."""
        return await fetch(self.targets[service].owner_url, statement)

    async def column(self, service: str, statement: str) -> list[Any]:
        """First values of the rows."""
        return [row[0] for row in await self.read(service, statement)]


async def fetch(url: str, statement: str) -> list[asyncpg.Record]:
    """One statement on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def debian_15() -> Generator[Server]:
    """PostgreSQL 15 of Debian: the oldest that is supported, and a server that is not ours."""
    if not (DEBIAN_15 / "postgres").exists():
        pytest.skip(f"There is no PostgreSQL 15 in {DEBIAN_15} (Debian: apt-get install postgresql-15).")
    with throw_away_server(DEBIAN_15) as url:
        yield Server(15, url)


@pytest.fixture(scope="session")
def pgserver_16() -> Generator[Server]:
    """PostgreSQL 16, where somebody has installed the package pgserver. It has no contributed modules."""
    found = importlib.util.find_spec("pgserver")
    if found is None or found.origin is None:
        pytest.skip("The package pgserver, which carries PostgreSQL 16, is not installed.")
    with throw_away_server(Path(found.origin).parent / "pginstall" / "bin") as url:
        yield Server(16, url)


@pytest.fixture(scope="session", params=[18, 15], ids=["PostgreSQL 18", "PostgreSQL 15"])
def server(request: pytest.FixtureRequest, postgres_admin_url: str) -> Server:
    """Each of the newest and the oldest PostgreSQL that are supported."""
    return Server(18, postgres_admin_url) if request.param == 18 else request.getfixturevalue("debian_15")


@pytest.fixture(scope="session")
async def platform(server: Server) -> AsyncGenerator[Platform]:
    """Read it, and leave it as it is: tests share it."""
    suffix = secrets.token_hex(4)
    targets = {
        service.name: server.target(service, f"{service.database}_{suffix}")
        for service in installed_services().values()
    }
    for target in targets.values():
        await initialize(target)
    yield Platform(server, targets)
    for target in targets.values():
        await server.drop(target.database)


@contextmanager
def throw_away_server(binaries: Path) -> Generator[str]:
    """A throw-away server run by an unprivileged account, as PostgreSQL demands."""
    account = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    user = account.pw_uid if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="orion-test-15-"))
    (folder / "password").write_text("postgres", encoding="ascii")
    for path in (folder, folder / "password"):
        os.chown(path, account.pw_uid, account.pw_gid)
    data, port = folder / "data", free_port()
    options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
    initdb = [binaries / "initdb", "-D", data, "-U", "postgres", "--pwfile", folder / "password", *options]
    subprocess.run([str(part) for part in initdb], cwd="/", user=user, check=True, capture_output=True)
    settings = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off"]
    command = [str(binaries / "postgres"), "-D", str(data), *(part for item in settings for part in ("-c", item))]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd="/", user=user, stdout=log, stderr=log)
        try:
            _wait_until_ready(data / "postmaster.pid")
            yield f"postgresql://postgres:postgres@127.0.0.1:{port}/postgres"
        finally:
            process.terminate()
            process.wait(30)
            shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(pid_file: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        lines = pid_file.read_text(encoding="ascii").splitlines() if pid_file.exists() else []
        if len(lines) > 7 and lines[7].strip() == "ready":
            return
        time.sleep(0.05)
    raise TimeoutError("PostgreSQL did not start")
