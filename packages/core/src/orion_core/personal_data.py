# ruff: noqa: S608 - names of tables and columns are those of the models
"""All that one database tells of a person: for the person to read (GDPR Art. 15 and 20), and to be counted and erased.

It goes by the models: a table with a column `user_id`, and the table of the users itself. So a table that is added
later is found by itself. Secrets are left out of what is given away: they would let in whoever finds the archive.
"""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from json import dumps
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, MetaData, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Database
from orion_core.secret_names import is_secret_name
from orion_core.statement import driver_of
from orion_core.stretches import Stretches

AT_ONCE = 200
"""Rows in memory: a person may have millions."""

DOCUMENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Rows, the earliest first, by table",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": {"type": "array", "items": {"type": "object"}},
                }
            }
        },
    }
}
"""The answer of a route that gives out a document, for its description."""

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


Pages = AsyncGenerator[tuple[str, Sequence[str]]]
"""Names of tables, each with some rows of it as JSON; several pages of one table come one after the other."""


async def collect(
    connection: AsyncConnection,
    metadata: MetaData,
    users: str | None,
    user_id: UUID,
    only: Mapping[str, Collection[str]] | None = None,
    where: Mapping[str, str] | None = None,
) -> Pages:
    """All rows of each table that tell of a person, the earliest first, without secrets; `connection` in a transaction.

    Of the tables in `only` these columns alone, and of those in `where` the rows that the SQL holds of. By the primary
    key of `users` and the index that each `user_id` has.
    """
    driver = await driver_of(connection)
    for name, column in tables_of_a_person(metadata, users).items():
        table = metadata.tables[name]
        hidden = hidden_columns(table)
        if only is not None and name in only:
            hidden += [each.name for each in table.columns if each.name not in only[name]]
        order = "ORDER BY id" if "id" in table.columns else ""
        rows_of = f'"{column}" = $2 AND ({(where or {}).get(name, "true")})'
        statement = f'SELECT (to_jsonb("{name}") - $1::text[])::text FROM "{name}" WHERE {rows_of} {order}'
        cursor = await driver.cursor(statement, hidden, user_id)
        while rows := await cursor.fetch(AT_ONCE):
            yield name, [row[0] for row in rows]


async def document(database: Database, metadata: MetaData, users: str | None, user_id: UUID) -> AsyncGenerator[bytes]:
    """What `collect` finds as one JSON object by table, in pieces; tables without any row are left out."""
    async with database.transaction() as transaction:
        async for piece in as_json(collect(transaction.connection, metadata, users, user_id)):
            yield piece


async def as_json(pages: Pages) -> AsyncGenerator[bytes]:
    """One JSON object of pages, in pieces."""
    before, stretches = "", Stretches()
    async for table, rows in pages:
        opening = "," if table == before else f"{'],' if before else '{'}{dumps(table)}:["
        yield (opening + ",".join(rows)).encode()
        before = table
        await stretches.give_way()
    yield b"]}" if before else b"{}"


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
