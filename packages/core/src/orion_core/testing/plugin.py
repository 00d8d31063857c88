"""pytest plugin: starts PostgreSQL once for all workers of a run and hands out databases, clock and mailbox."""

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from orion_core.local.mailbox import Mailbox
from orion_core.local.postgres import PostgresServer, start
from orion_core.testing.clock import MovableClock
from orion_core.testing.databases import Databases, TestDatabase

URL_VARIABLE = "ORION_TEST_POSTGRES_URL"
"""Superuser URL of the server to test on; unset: an embedded one is started and thrown away."""

ROOM_BYTES = 4 << 30
"""More than a whole run keeps at any time."""

MakeDatabase = Callable[[str], Awaitable[TestDatabase]]

_server: PostgresServer | None = None
_folder: Path | None = None


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the server in the process that leads the run; workers of xdist inherit its URL."""
    global _server, _folder
    if URL_VARIABLE in os.environ or session.config.option.collectonly:
        return
    _folder = Path(tempfile.mkdtemp(prefix="orion-test-", dir=_memory()))
    _server = start(_folder / "postgres", durable=False)
    os.environ[URL_VARIABLE] = _server.admin_url


def _memory() -> str | None:
    """A folder that lies in memory, where thousands of databases are made and dropped quickly; None without room."""
    memory = Path("/dev/shm")  # noqa: S108 - for its speed; mkdtemp makes a name of its own in it
    has_room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= ROOM_BYTES
    return str(memory) if has_room else None


def pytest_sessionfinish() -> None:
    """Stop the server that this process started."""
    if _server is not None and _folder is not None:
        _server.stop("immediate")
        os.environ.pop(URL_VARIABLE, None)
        shutil.rmtree(_folder, ignore_errors=True)


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Async tests run as the services do: asyncio on uvloop."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def postgres_admin_url() -> str:
    """URL of a superuser of the run's PostgreSQL."""
    return os.environ[URL_VARIABLE]


@pytest.fixture(scope="session")
def databases(postgres_admin_url: str) -> Databases:
    """The databases of the run's server."""
    return Databases(postgres_admin_url)


@pytest.fixture
async def make_database(databases: Databases) -> AsyncGenerator[MakeDatabase]:
    """`await make_database("auth")`: a migrated database of that service, for this test alone."""
    async with AsyncExitStack() as stack:

        async def make(service: str) -> TestDatabase:
            return await stack.enter_async_context(databases.clone(service))

        yield make


@pytest.fixture
async def make_seeded_database(databases: Databases) -> AsyncGenerator[MakeDatabase]:
    """The same, with the service's reference rows."""
    async with AsyncExitStack() as stack:

        async def make(service: str) -> TestDatabase:
            return await stack.enter_async_context(databases.clone(service, seeded=True))

        yield make


@pytest.fixture
def clock() -> MovableClock:
    """A clock that the test moves."""
    return MovableClock()


@pytest.fixture
async def mailbox() -> AsyncGenerator[Mailbox]:
    """A running mailbox: real SMTP and HTTP on free ports."""
    async with Mailbox.running() as running:
        yield running
