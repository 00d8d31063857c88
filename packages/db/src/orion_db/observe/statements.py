"""What pg_stat_statements has counted, wherever on the server it can be asked."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.connections import login_connection, maintenance_connection
from orion_db.observe.figures import one_line
from orion_db.targets import Target

By = Literal["total", "mean", "calls", "rows", "io"]

_ORDERS: dict[By, str] = {
    "total": "total",
    "mean": "mean",
    "calls": "calls",
    "rows": "rows",
    "io": "sum(shared_blks_read + shared_blks_written + temp_blks_read + temp_blks_written)",
}

HOW_TO_GET_IT = (
    "statements are not counted here: put pg_stat_statements into shared_preload_libraries, restart the server, and "
    "have an administrator run CREATE EXTENSION pg_stat_statements in the database postgres, from where all are seen"
)


@dataclass(frozen=True)
class StatementFigures:
    """One statement, its values replaced by $1, $2, …"""

    id: int
    """`queryid`."""
    sql: str
    calls: int
    total_ms: float
    mean_ms: float
    rows: int
    blocks_hit: int
    blocks_read: int
    temporary_blocks: int
    """Written because work_mem did not hold a sort or a hash."""


OWN = "/* orion db top */"
"""Stands in the statements by which we look, so that they are not shown to whoever looks."""

# One statement of several logins, or inside and outside of functions, is one statement to us.
_STATEMENTS = f"""
SELECT {OWN}
  queryid, min(query), sum(calls)::bigint AS calls, sum(total_exec_time) AS total,
  sum(total_exec_time) / greatest(sum(calls), 1) AS mean, sum(rows)::bigint AS rows,
  sum(shared_blks_hit)::bigint, sum(shared_blks_read)::bigint, sum(temp_blks_written)::bigint
FROM {{schema}}.pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = :database) AND queryid IS NOT NULL
  AND strpos(query, '{OWN}') = 0
GROUP BY queryid
ORDER BY {{order}} DESC
LIMIT :limit
"""  # noqa: S608 - our own mark

_SCHEMA = text("""
SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
WHERE extname = 'pg_stat_statements'
""")


@dataclass(frozen=True)
class Counting:
    """Where pg_stat_statements can be asked."""

    connection: AsyncConnection
    schema: str


@asynccontextmanager
async def counting_connection(target: Target) -> AsyncGenerator[Counting | None]:
    """A connection to a database that has the extension; None when there is none.

    The view tells of all databases, so it is enough to have it in one. `postgres` is better than a service's own: the
    extension is in no migration, and would be drift there.
    """
    async with login_connection(target, "stats", autocommit=True) as own:
        schema = (await own.execute(_SCHEMA)).scalar_one_or_none()
        if schema:
            yield Counting(own, schema)
            return
    async with maintenance_connection(target, "stats") as other:
        schema = (await other.execute(_SCHEMA)).scalar_one_or_none()
        yield Counting(other, schema) if schema else None


async def read_statements(target: Target, by: By, limit: int) -> list[StatementFigures] | None:
    """The first of this database's statements in that order; None when nobody counts them."""
    async with counting_connection(target) as found:
        return await statements_in(found, target.database, by, limit) if found else None


async def statements_in(counting: Counting, database: str, by: By, limit: int) -> list[StatementFigures] | None:
    """The same, on a connection that is there already."""
    statement = text(_STATEMENTS.format(schema=counting.schema, order=_ORDERS[by]))
    try:
        rows = await counting.connection.execute(statement, {"database": database, "limit": limit})
    except DBAPIError:  # the extension is there, and its library not loaded: "must be loaded via …"
        return None
    return [StatementFigures(row[0], one_line(row[1]), *row[2:]) for row in rows]


async def count_statements(admin_url: str) -> bool:
    """Have the statements of all databases of a server counted, by the extension in its database `postgres`.

    False where the server's installation does not have it: that is no reason not to start.
    """
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    except asyncpg.PostgresError:
        return False
    finally:
        await connection.close()
    return True
