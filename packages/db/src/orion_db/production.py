"""The mark in a database that says it is a production one, whatever the environment of whoever comes by says.

`init` sets it where ORION_ENV is production; `mark` sets it and takes it away. What throws data away (`reset`, a
restore in its place) asks it.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.service import Service
from orion_db.connections import maintenance_connection
from orion_db.errors import Exit, Problem, permissions_explained
from orion_db.result import Result
from orion_db.roles import database_owner, quoted
from orion_db.targets import Target

MARK = "orion.environment = 'production'"

_IS_MARKED = text("""
SELECT coalesce(shobj_description(oid, 'pg_database') LIKE '%' || :mark || '%', false) OR EXISTS (
  SELECT FROM pg_db_role_setting, unnest(setconfig) AS setting
  WHERE setdatabase = pg_database.oid AND setrole = 0 AND lower(setting) = 'orion.environment=production')
FROM pg_database WHERE datname = :database
""")

_COMMENT = text("SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = :database")


@dataclass(frozen=True)
class Marking(Result):
    """Whether a database is marked as production, before and after."""

    database: str
    production: bool
    before: bool
    dry_run: bool = False

    def in_words(self) -> list[str]:
        state = "is marked as production" if self.production else "is not marked as production"
        if self.production == self.before:
            return [f"{self.database} {state}"]
        did = "would be marked" if self.dry_run else "is marked"
        return [f"{self.database} {did} as production{'' if self.production else ' no longer'}"]


async def is_marked(connection: AsyncConnection, database: str) -> bool:
    """Whether the database is marked, by its comment or by `ALTER DATABASE … SET orion.environment = 'production'`."""
    marked = await connection.execute(_IS_MARKED, {"mark": MARK, "database": database})
    return bool(marked.scalar_one_or_none())


async def mark(connection: AsyncConnection, service: Service, database: str) -> None:
    """Mark the database, by its comment: unlike a setting of our own name, its owner may write one."""
    if not await is_marked(connection, database):
        said = (await connection.execute(_COMMENT, {"database": database})).scalar_one()
        await _comment(connection, database, f"{said or service.title}; {MARK}")


async def unmark(connection: AsyncConnection, database: str) -> None:
    """Take both forms of the mark away, and leave what else the comment says."""
    said = (await connection.execute(_COMMENT, {"database": database})).scalar_one()
    if MARK in said:
        await _comment(connection, database, said.replace(f"; {MARK}", "").replace(MARK, ""))
    if await is_marked(connection, database):
        await connection.exec_driver_sql(f"ALTER DATABASE {quoted(database)} RESET orion.environment")


async def marking(
    target: Target, *, production: bool | None = None, confirmation: str = "", dry_run: bool = False
) -> Marking:
    """Tell whether the database is marked; or mark it (True), or take the mark away (False).

    Taking it away opens the way for `reset`, so `confirmation` must be the database's name. Raises Problem
    `database_missing`, `not_confirmed`, `permission_missing`.
    """
    async with maintenance_connection(target, "mark") as connection:
        if await database_owner(connection, target.database) is None:
            raise Problem(
                "database_missing",
                Exit.UNREACHABLE,
                f"The database {target.database!r} does not exist on {target.address()}.",
                "",
                f"Run `orion db init {target.service.name}`, which creates, migrates and seeds it.",
            )
        before = await is_marked(connection, target.database)
        after = before if production is None else production
        if before and not after and confirmation != target.database and not dry_run:
            raise Problem(
                "not_confirmed",
                Exit.REFUSED,
                f"{target.database!r} stays marked as a production database.",
                "Without the mark `reset` may delete it, and the name typed is not its name.",
                f"If that is meant, add --yes {target.database}.",
            )
        if after != before and not dry_run:
            with permissions_explained(f"mark the database {target.database!r}", target.login):
                if after:
                    await mark(connection, target.service, target.database)
                else:
                    await unmark(connection, target.database)
    return Marking(target.service.name, target.database, after, before, dry_run)


async def _comment(connection: AsyncConnection, database: str, words: str) -> None:
    literal = words.replace("'", "''")
    await connection.exec_driver_sql(f"COMMENT ON DATABASE {quoted(database)} IS '{literal}'")
