"""All that one database tells of a person: for the person to read (GDPR Art. 15 and 20), and to be counted and erased.

It goes by the models: a table with a column `user_id`, and the table of the users itself. So a table that is added
later is found by itself. Secrets are left out of what is given away: they would let in whoever finds the archive.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, MetaData, Table, func, literal_column, select
from sqlalchemy.dialects.postgresql import TEXT
from sqlalchemy.dialects.postgresql import array as sql_array
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.secret_names import is_secret_name

MOST_ROWS = 50_000
"""Of one table; so much of one person's is in memory."""

HIDDEN_NAMES = ("fingerprint", "selector", "_hash")


def hidden_columns(table: Table) -> list[str]:
    """The columns that are not given away: what is sealed or hashed, and what is called like a secret."""
    return [
        column.name
        for column in table.columns
        if isinstance(column.type, LargeBinary)
        or is_secret_name(column.name)
        or any(part in column.name for part in HIDDEN_NAMES)
    ]


def tables_of_a_person(metadata: MetaData, users: str | None) -> dict[str, str]:
    """The tables that tell of a person, and the column with the id; `users`, if any, is the one whose `id` it is."""
    tables = [table for table in metadata.sorted_tables if not table.info.get("is_confidential")]
    owned = {str(table.name): "user_id" for table in tables if "user_id" in table.columns}
    return owned if users is None else {users: "id", **owned}


async def collect(
    connection: AsyncConnection, metadata: MetaData, users: str | None, user_id: UUID
) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table that tell of a person, the earliest first, without secrets; tables without any left out.

    By the primary key of `users` and the index that each `user_id` has.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for name, column in tables_of_a_person(metadata, users).items():
        table = metadata.tables[name]
        hidden = sql_array(hidden_columns(table), type_=TEXT)
        row = func.to_jsonb(literal_column(f'"{name}"')).op("-")(hidden)
        statement = select(row).where(table.c[column] == user_id)
        if "id" in table.columns:
            statement = statement.order_by(table.c.id)
        rows = (await connection.execute(statement.limit(MOST_ROWS))).scalars().all()
        if rows:
            found[name] = list(rows)
    return found


async def count(connection: AsyncConnection, metadata: MetaData, users: str | None, user_id: UUID) -> dict[str, int]:
    """How many rows of each table tell of a person; tables without any left out."""
    counts: dict[str, int] = {}
    for name, column in tables_of_a_person(metadata, users).items():
        table = metadata.tables[name]
        statement = select(func.count()).select_from(table).where(table.c[column] == user_id)
        number = (await connection.execute(statement)).scalar_one()
        if number:
            counts[name] = number
    return counts
