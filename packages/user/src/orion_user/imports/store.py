"""The statements of imports and of the export."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_user.imports.rules import ImportFormat
from orion_user.imports.tables import UserImport, UserImportChunk

IMPORTS = table_of(UserImport)
CHUNKS = table_of(UserImportChunk)

PROGRESS = text("""
    WITH chunk AS MATERIALIZED (
      SELECT first_line, lines, created, existing, refused, sum(lines) OVER (ORDER BY first_line) - lines AS before
      FROM user_import_chunks
      WHERE import_id = :import_id                                            -- pk_user_import_chunks
    )
    SELECT
      -- A chunk before which all lines are done begins right behind them.
      1 + coalesce(sum(lines) FILTER (WHERE first_line = before + 1), 0) AS next_line,
      coalesce(sum(created), 0) AS created,
      coalesce(sum(existing), 0) AS existing,
      coalesce(sum(refused), 0) AS refused
    FROM chunk
""")


async def insert_import(
    connection: AsyncConnection, format_: ImportFormat, columns: Sequence[str], requested_by: str
) -> RowMapping:
    """Begin an import."""
    values = {"format": format_, "columns": list(columns), "requested_by": requested_by}
    return (await connection.execute(insert(IMPORTS).values(values).returning(IMPORTS))).mappings().one()


async def find(connection: AsyncConnection, import_id: UUID) -> RowMapping | None:
    """An import. By pk_user_imports."""
    return (await connection.execute(select(IMPORTS).where(UserImport.id == import_id))).mappings().one_or_none()


async def progress(connection: AsyncConnection, import_id: UUID) -> RowMapping:
    """How far an import is: the first line before which all are done, and what became of them."""
    return (await connection.execute(PROGRESS, {"import_id": import_id})).mappings().one()


async def chunk(connection: AsyncConnection, import_id: UUID, first_line: int) -> RowMapping | None:
    """The lines that were done from this one on. By pk_user_import_chunks."""
    statement = select(CHUNKS).where(UserImportChunk.import_id == import_id, UserImportChunk.first_line == first_line)
    return (await connection.execute(statement)).mappings().one_or_none()


async def chunks(connection: AsyncConnection, import_id: UUID, after_line: int, limit: int) -> Sequence[RowMapping]:
    """Chunks of an import that begin after a line, in order. Along pk_user_import_chunks."""
    statement = (
        select(CHUNKS.c.first_line, CHUNKS.c.report)
        .where(UserImportChunk.import_id == import_id, UserImportChunk.first_line > after_line)
        .order_by(UserImportChunk.first_line)
        .limit(limit)
    )
    return (await connection.execute(statement)).mappings().all()


async def first_lines(connection: AsyncConnection, import_id: UUID) -> frozenset[int]:
    """Where the chunks begin that are done. By pk_user_import_chunks."""
    statement = select(UserImportChunk.first_line).where(UserImportChunk.import_id == import_id)
    return frozenset((await connection.execute(statement)).scalars())


async def insert_chunk(connection: AsyncConnection, values: dict[str, Any]) -> bool:
    """Write down that lines are done; False when somebody else has, meanwhile."""
    statement = upsert(CHUNKS).values(values).on_conflict_do_nothing().returning(UserImportChunk.first_line)
    return (await connection.execute(statement)).one_or_none() is not None
