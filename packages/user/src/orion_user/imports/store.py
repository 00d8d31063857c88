"""The statements of imports and of the export."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_user.imports.rules import LINES_AT_ONCE, ImportFormat, Result
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


async def hold(connection: AsyncConnection, user_id: UUID) -> None:
    """Have whoever would write the same people, of whom this is the first, wait for the end of the transaction.

    Without it whoever brings people over and the follower of auth's events would write half of them twice, each waiting
    for the other row by row. Who waits too little for it waits there.
    """
    lock = func.pg_advisory_xact_lock(func.hashtextextended(f"user_imports {user_id}", 0))
    await connection.execute(select(lock))


async def insert_import(
    connection: AsyncConnection, format_: ImportFormat, columns: Sequence[str], requested_by: str
) -> RowMapping:
    """Begin an import."""
    values = {"format": format_, "columns": list(columns), "requested_by": requested_by}
    return (await connection.execute(insert(IMPORTS).values(values).returning(IMPORTS))).mappings().one()


async def find(connection: AsyncConnection, import_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """An import (pk_user_imports); with `lock`, nobody else writes down lines of it meanwhile."""
    statement = select(IMPORTS).where(UserImport.id == import_id)
    if lock:
        statement = statement.with_for_update(key_share=True)
    return (await connection.execute(statement)).mappings().one_or_none()


async def progress(connection: AsyncConnection, import_id: UUID) -> RowMapping:
    """How far an import is: the first line before which all are done, and what became of them."""
    return (await connection.execute(PROGRESS, {"import_id": import_id})).mappings().one()


async def results(connection: AsyncConnection, import_id: UUID, lines: range) -> dict[int, Result]:
    """What became of those of these lines that are done. Along pk_user_import_chunks, since no chunk is longer."""
    statement = select(CHUNKS.c.first_line, CHUNKS.c.report).where(
        UserImportChunk.import_id == import_id,
        UserImportChunk.first_line > lines.start - LINES_AT_ONCE,
        UserImportChunk.first_line < lines.stop,
    )
    return {
        number: result
        for first_line, report in await connection.execute(statement)
        for number, result in enumerate(report, first_line)
        if number in lines
    }


async def chunks(connection: AsyncConnection, import_id: UUID, after_line: int, limit: int) -> Sequence[RowMapping]:
    """Chunks of an import that begin after a line, in order. Along pk_user_import_chunks."""
    statement = (
        select(CHUNKS.c.first_line, CHUNKS.c.report)
        .where(UserImportChunk.import_id == import_id, UserImportChunk.first_line > after_line)
        .order_by(UserImportChunk.first_line)
        .limit(limit)
    )
    return (await connection.execute(statement)).mappings().all()


async def chunk_lengths(connection: AsyncConnection, import_id: UUID) -> dict[int, int]:
    """How many lines each chunk has that is done, by its first line. By pk_user_import_chunks."""
    statement = select(UserImportChunk.first_line, UserImportChunk.lines).where(UserImportChunk.import_id == import_id)
    return {first_line: lines for first_line, lines in await connection.execute(statement)}  # noqa: C416


async def insert_chunks(connection: AsyncConnection, import_id: UUID, chunks: Sequence[dict[str, Any]]) -> None:
    """Write down that lines are done, which are in no other chunk."""
    await connection.execute(insert(CHUNKS).values([{"import_id": import_id, **chunk} for chunk in chunks]))
