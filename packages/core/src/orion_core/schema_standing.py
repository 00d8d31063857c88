"""Whether a database has the migrations that this code was written for.

Code that runs without them answers 500 wherever it misses something; `/readyz` says what is the matter instead. Those
of phase "post" take away what only older code used, so nobody misses them.
"""

import re
from functools import partial
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from orion_core.database import Database
from orion_core.database_faults import sqlstate
from orion_core.http.health import Check
from orion_core.service import Service

POST = re.compile(r'^phase = "post"', re.MULTILINE)

NO_SUCH_TABLE = "42P01"


def schema_check(database: Database, service: Service) -> Check:
    """For `/readyz`: what the database lacks."""
    return partial(_missing, database, service.name, _needed(service.migrations))


def _needed(migrations: Path) -> list[str]:
    """Names of the migrations that running code relies on, in their order."""
    files = sorted(migrations.glob("[0-9]*.py"))
    return [file.stem for file in files if POST.search(file.read_text("utf-8")) is None]


async def _missing(database: Database, service: str, needed: list[str]) -> str | None:
    try:
        async with database.autocommit() as connection:
            applied = set((await connection.execute(text("SELECT name FROM schema_migrations"))).scalars())
    except (SQLAlchemyError, OSError) as error:
        if sqlstate(error) == NO_SUCH_TABLE:
            return f"the database is empty: run `orion db init {service}`, or correct its URL"
        return None  # what is the matter with the database is told beside this
    missing = [name for name in needed if name not in applied]
    if not missing:
        return None
    return f"{len(missing)} migrations are not applied, first {missing[0]}: run `orion db deploy {service}`"
