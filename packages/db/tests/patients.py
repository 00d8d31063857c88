"""A database to be examined: run statements in it, ask for one finding, do as a fix says."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg

import orion_db
from orion_core.service import installed_services
from orion_core.testing.databases import TestDatabase
from orion_db.doctor.examine import doctor
from orion_db.doctor.finding import Finding
from orion_db.errors import Exit


@dataclass
class Patient:
    """A database of the service user, which the tests of a file share: each plants tables of its own."""

    target: orion_db.Target

    async def run(self, *statements: str, as_owner: bool = True) -> list[asyncpg.Record]:
        """Statements one by one, by default as the owner role; rows of the last one."""
        async with self.session() as connection:
            if as_owner:
                await connection.execute(f"SET ROLE {self.target.service.owner_role}")
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetch(statements[-1])

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.target.owner_url)
        try:
            yield connection
        finally:
            connection.terminate()

    async def find(self, check: str, about: str, *, now: datetime | None = None) -> Finding | None:
        """The finding of that check about that object."""
        result = await doctor(self.target, only=[check], now=now)
        assert not [entry for entry in result.not_seen if entry.check == check], result.not_seen
        return next((finding for finding in result.findings if finding.object == about), None)

    async def follow(self, finding: Finding) -> None:
        """Run the fix just as it is printed, in one session."""
        async with self.session() as connection:
            for statement in finding.fix:
                if not statement.startswith("--"):  # psql passes over it, the driver stumbles
                    await connection.execute(statement)

    async def is_as_migrated(self) -> bool:
        return (await orion_db.status(self.target)).exit_code is Exit.OK


def patient_in(database: TestDatabase) -> Patient:
    """The patient whose database this is."""
    return Patient(orion_db.Target(installed_services()["user"], database.url, database.owner_url))
