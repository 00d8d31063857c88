"""The mark in a database that says it is a production one, whatever the environment of whoever comes by says."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.service import Service
from orion_db.roles import quoted

MARK = "orion.environment = 'production'"

_IS_MARKED = text("""
SELECT coalesce(shobj_description(oid, 'pg_database') LIKE '%' || :mark || '%', false) OR EXISTS (
  SELECT FROM pg_db_role_setting, unnest(setconfig) AS setting
  WHERE setdatabase = pg_database.oid AND setrole = 0 AND lower(setting) = 'orion.environment=production')
FROM pg_database WHERE datname = :database
""")


async def is_marked(connection: AsyncConnection, database: str) -> bool:
    """Whether the database is marked, by its comment or by `ALTER DATABASE … SET orion.environment = 'production'`."""
    marked = await connection.execute(_IS_MARKED, {"mark": MARK, "database": database})
    return bool(marked.scalar_one_or_none())


async def mark(connection: AsyncConnection, service: Service, database: str) -> None:
    """Mark the database, by its comment: unlike a setting of our own name, its owner may write one."""
    if not await is_marked(connection, database):
        words = f"{service.title}; {MARK}".replace("'", "''")
        await connection.exec_driver_sql(f"COMMENT ON DATABASE {quoted(database)} IS '{words}'")
