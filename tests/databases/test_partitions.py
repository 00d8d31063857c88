"""Months come by themselves, and rows that came before their month had a partition hinder nobody."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import pytest

import orion_db
from orion_core.database import Database
from orion_core.partitions import keep_partitions_ahead, make_partitions
from orion_core.service import installed_services

if TYPE_CHECKING:
    from tests.databases.conftest import Server

ROWS = {
    "outbox": "INSERT INTO outbox (type, subject, data, occurred_at) VALUES ('a', 'b', '{}', now())",
    "login_attempts": "INSERT INTO login_attempts (status, method) VALUES ('SUCCESS', 'PASSWORD')",
    "security_events": "INSERT INTO security_events (event_type, category, severity, title) "
    "VALUES ('a', 'SESSION', 'LOW', 'b')",
    "audit_logs": "INSERT INTO audit_logs (service, actor_type, action, resource_type, status, salt, commitment, "
    "leaf_hash) SELECT 'a', 'SYSTEM', 'b', 'c', 'SUCCESS', h, h, h FROM sha256('') AS h",
    "notifications": "WITH one AS (INSERT INTO notifications (type, category, channel, content, recipient) "
    "VALUES ('a', 'SYSTEM', 'SMS', 'b', 'c') RETURNING id) "
    "INSERT INTO notification_queue (notification_id, priority, due_at) SELECT id, 'LOW', now() FROM one",
    "delivery_attempts": "INSERT INTO delivery_attempts (notification_id, attempt_number) SELECT id, 1 "
    "FROM notifications",
    "engagements": "INSERT INTO engagements (notification_id, kind, agent) VALUES (uuidv7(), 'OPEN', 'BROWSER')",
}
"""One row for each table that is cut into months; the notification has a row that refers to it, and an attempt too."""

PARENTS = {
    "auth": ["login_attempts", "outbox", "security_events"],
    "notifications": ["notifications", "delivery_attempts", "engagements", "outbox"],
    "user": ["audit_logs", "outbox"],
}


class Neglected:
    """A service's database that has not been deployed for so long that no month is left: rows go to the default."""

    def __init__(self, target: orion_db.Target) -> None:
        self.target = target
        self.parents = PARENTS[target.service.name]

    async def run(self, *statements: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.target.owner_url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetch(statements[-1])
        finally:
            await connection.close()

    async def months(self) -> list[str]:
        """The names of all monthly partitions."""
        rows = await self.run(r"SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '_y\d{4}m\d\d$'")
        return sorted(row["relname"] for row in rows)

    async def forget_months(self) -> None:
        for name in await self.months():  # dropped while attached, it would take the foreign keys to it along
            await self.run(f"ALTER TABLE {name.rpartition('_')[0]} DETACH PARTITION {name}", f"DROP TABLE {name}")

    async def rows(self) -> dict[str, list[str]]:
        tables = [*self.parents, *(["notification_queue"] if "notifications" in self.parents else [])]
        return {table: [row[0] for row in await self.run(f"SELECT t::text FROM {table} AS t")] for table in tables}

    def database(self) -> Database:
        url, role = self.target.url, self.target.service.service_role
        return Database.connect(url, role=role, application="a service", pool_size=4)


@pytest.fixture(params=sorted(PARENTS))
async def neglected(server: "Server", request: pytest.FixtureRequest) -> AsyncGenerator[Neglected]:
    target = server.target(installed_services()[request.param], f"neglected_{secrets.token_hex(4)}")
    await orion_db.initialize(target, seeds=False)
    neglected = Neglected(target)
    await neglected.forget_months()
    yield neglected
    await server.drop(target.database)


def coming_months(parents: list[str], numbers: range) -> list[str]:
    now = datetime.now(UTC)
    months = [now.year * 12 + now.month - 1 + number for number in numbers]
    return sorted(f"{parent}_y{month // 12}m{month % 12 + 1:02d}" for parent in parents for month in months)


async def test_every_partitioned_table_is_tried(neglected: Neglected) -> None:
    rows = await neglected.run("SELECT relname FROM pg_class WHERE relkind = 'p' AND NOT relispartition")
    assert sorted(row["relname"] for row in rows) == sorted(neglected.parents)


async def test_services_make_the_coming_months_however_many_they_are(neglected: Neglected) -> None:
    databases = [neglected.database() for _ in range(4)]
    stop = asyncio.Event()
    running = [asyncio.create_task(keep_partitions_ahead(database, stop)) for database in databases]
    wanted = coming_months(neglected.parents, range(4))
    for _ in range(200):
        if await neglected.months() == wanted:
            break
        await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(asyncio.gather(*running), 5)
    assert await neglected.months() == wanted
    for database in databases:
        assert await make_partitions(database) == []
        await database.close()


async def test_rows_in_the_default_partition_stay_and_the_later_months_are_made(neglected: Neglected) -> None:
    await neglected.run(*(ROWS[parent] for parent in neglected.parents))
    before = await neglected.rows()
    assert all(before.values())
    done = await orion_db.deploy(neglected.target)
    assert dict(done.partitions_made) == dict.fromkeys(neglected.parents, 3)
    assert await neglected.months() == coming_months(neglected.parents, range(1, 4))
    await orion_db.initialize(neglected.target, seeds=False)
    database = neglected.database()
    assert await make_partitions(database) == []
    await database.close()
    assert await neglected.rows() == before


async def test_it_is_said_that_rows_stand_in_a_default_partition(neglected: Neglected) -> None:
    await neglected.run(*(ROWS[parent] for parent in neglected.parents))
    month = f"{datetime.now(UTC):%Y-%m}"
    for result in (await orion_db.deploy(neglected.target), await orion_db.status(neglected.target)):
        words = [line for line in result.in_words() if "default partition" in line]
        assert [line.split(":")[0] for line in words] == sorted(neglected.parents)
        assert all(f"rows of {month} are" in line for line in words)
    found = await orion_db.status(neglected.target)
    assert (found.exit_code, found.drift) == (orion_db.Exit.OK, ())


async def test_a_locked_table_is_put_off_and_does_not_hinder_the_others(neglected: Neglected) -> None:
    locked = neglected.parents[0]
    holder = await asyncpg.connect(neglected.target.owner_url)
    database = neglected.database()
    async with holder.transaction():
        await holder.execute(f"SELECT FROM {locked}")
        assert await make_partitions(database) == [locked]
    assert await neglected.months() == coming_months(neglected.parents[1:], range(4))
    await holder.close()
    assert await make_partitions(database) == []
    await database.close()
