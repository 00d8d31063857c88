"""What the tests of core share: a database of the house, reached as a service reaches it and as its owner does."""

from collections.abc import AsyncGenerator

import asyncpg
import pytest
import structlog

from orion_core.database import Database
from orion_core.sealing import Keyring
from orion_core.service import service_role
from orion_core.testing import TestDatabase
from orion_core.testing.plugin import MakeDatabase


@pytest.fixture
async def own_database(make_database: MakeDatabase) -> TestDatabase:
    """A database of auth; the tests of core use what every service's database has."""
    return await make_database("auth")


@pytest.fixture
async def database(own_database: TestDatabase) -> AsyncGenerator[Database]:
    """A pool of two connections, as a service has it."""
    pool = Database.connect(own_database.url, role=service_role("auth"), application="orion test", pool_size=2)
    yield pool
    await pool.close()


@pytest.fixture
async def owner(own_database: TestDatabase) -> AsyncGenerator[asyncpg.Connection]:
    """A connection that may look at everything in the test's database."""
    connection = await asyncpg.connect(own_database.owner_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def keyring() -> Keyring:
    """A keyring of one key."""
    return Keyring.parse(Keyring.new_key("test"))


@pytest.fixture(autouse=True, scope="session")
def logs() -> None:
    """Short log lines: what structlog prints unless it is told otherwise takes seconds for an exception."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(),
        ]
    )
