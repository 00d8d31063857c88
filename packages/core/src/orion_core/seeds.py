"""What seeds report, and the sample users that the seeds of several services agree on."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

Profile = Literal["reference", "development"]
"""`reference` rows are needed everywhere; `development` adds sample users and refuses to run in production unless
named.
"""


@dataclass(frozen=True)
class SampleUser:
    """A user that exists on every developer's machine, under the same id in all three databases."""

    id: UUID
    email: str
    username: str
    name: str
    role: str
    locale: str
    timezone: str


SAMPLE_USERS = (
    SampleUser(
        id=UUID("01890000-0000-7000-8000-000000000001"),
        email="admin@orion.local",
        username="admin",
        name="Ada Admin",
        role="super_admin",
        locale="en",
        timezone="UTC",
    ),
    SampleUser(
        id=UUID("01890000-0000-7000-8000-000000000002"),
        email="user@orion.local",
        username="user",
        name="Uma User",
        role="user",
        locale="de",
        timezone="Europe/Berlin",
    ),
)

SAMPLE_PASSWORD = "orion-development-only"
"""Password of every sample user."""


@dataclass
class SeedReport:
    """How many rows of each table a seed inserted, and how many it found there and left as they were."""

    inserted: Counter[str] = field(default_factory=Counter[str])
    left_alone: Counter[str] = field(default_factory=Counter[str])

    async def insert(self, connection: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> None:
        """Insert the rows that are not there yet; what an operator has edited since is never touched.

        A row is there when any unique key of the table says so (INSERT … ON CONFLICT DO NOTHING). Where all are there
        already, what triggers of the table did is undone too: seeded again, nothing changes.
        """
        if not rows:
            return
        statement = insert(table).values(rows).on_conflict_do_nothing().returning(*table.primary_key.columns)
        async with connection.begin_nested() as savepoint:
            inserted = len((await connection.execute(statement)).all())
            if not inserted:
                await savepoint.rollback()
        self.inserted[table.name] += inserted
        self.left_alone[table.name] += len(rows) - inserted
