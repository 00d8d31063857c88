"""The testing kit: each test has a database of its own, as production makes it, and it is gone afterwards."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from orion_core.testing import MovableClock
from orion_core.testing.databases import Databases
from orion_core.testing.plugin import MakeDatabase

SERVICES = ["auth", "notifications", "user"]


async def names(admin_url: str) -> set[str]:
    connection = await asyncpg.connect(admin_url)
    found = {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
    await connection.close()
    return found


@pytest.mark.parametrize("service", SERVICES)
async def test_a_database_is_migrated_and_empty(service: str, make_database: MakeDatabase) -> None:
    made = await make_database(service)
    connection = await asyncpg.connect(made.owner_url)
    assert await connection.fetchval("SELECT count(*) FROM schema_migrations") > 0
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
    owner = await connection.fetchval("SELECT tableowner FROM pg_tables WHERE tablename = 'outbox'")
    assert owner == f"orion_{service}_owner"
    await connection.close()


async def test_what_one_test_writes_no_other_sees(make_database: MakeDatabase) -> None:
    one, other = [await asyncpg.connect((await make_database("auth")).owner_url) for _ in range(2)]
    await one.execute("INSERT INTO inbox_cursors (source, position) VALUES ('mine', 1)")
    assert await other.fetchval("SELECT count(*) FROM inbox_cursors") == 0
    await one.close()
    await other.close()


async def test_a_database_is_dropped_even_while_somebody_is_connected(
    databases: Databases, postgres_admin_url: str
) -> None:
    async with databases.clone("auth") as made:
        name = made.url.rpartition("/")[2]
        assert name in await names(postgres_admin_url)
        connection = await asyncpg.connect(made.owner_url)
    assert name not in await names(postgres_admin_url)
    connection.terminate()


async def test_the_services_login_may_not_enter_another_services_database(make_database: MakeDatabase) -> None:
    auth, user = await make_database("auth"), await make_database("user")
    stranger = auth.url.rpartition("/")[0] + "/" + user.url.rpartition("/")[2]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(stranger)


def test_a_movable_clock_moves_only_when_told() -> None:
    clock = MovableClock()
    before = clock()
    assert clock() == before and abs(before - datetime.now(UTC)) < timedelta(seconds=5)
    assert clock.advance(minutes=5) == clock() == before + timedelta(minutes=5)
