"""Re-keying sealed fields while the services run.

Put the new key last in the keyring of every process, so that all can open what it seals, then first; run this; then
take the old key out, but where HMACs are kept or envelopes were given away (`Service.old_keys_open`). Each field is
replaced only if it is still what was read, so a change made meanwhile is never overwritten.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Column, MetaData, Table, bindparam, select, update

from orion_core.database import Database
from orion_core.sealing import Keyring, SealError, place, sealing_key_id

BATCH = 500

NO_ID = UUID(int=0)


@dataclass(frozen=True)
class Resealed:
    """What became of some fields of one column."""

    table: str
    column: str
    resealed: int
    """Brought under the active key, or changed by somebody else just now (then they are under it too)."""
    left_alone: int
    """Already under the active key."""
    unreadable: tuple[UUID, ...]
    """Rows whose field no key of the ring opens; they are left as they are."""


def sealed_columns(metadata: MetaData) -> list[Column[Any]]:
    """Every column that holds sealed fields, marked by `info={"sealed": True}`."""
    return [column for table in metadata.sorted_tables for column in table.columns if column.info.get("sealed")]


async def reseal(database: Database, metadata: MetaData, keyring: Keyring) -> AsyncGenerator[Resealed]:
    """Bring every sealed field under the active key, batch by batch in the order of ids; yields what each batch did."""
    for column in sealed_columns(metadata):
        after = NO_ID
        while rows := await _read(database, column, after):
            yield await _reseal_batch(database, column, rows, keyring)
            after = rows[-1][0]


async def _read(database: Database, column: Column[Any], after: UUID) -> list[tuple[UUID, bytes]]:
    """The next batch by primary key."""
    table = column.table
    statement = (
        select(table.c.id, column).where(table.c.id > after, column.is_not(None)).order_by(table.c.id).limit(BATCH)
    )
    async with database.autocommit() as connection:
        return [(row[0], row[1]) for row in await connection.execute(statement)]


async def _reseal_batch(
    database: Database, column: Column[Any], rows: list[tuple[UUID, bytes]], keyring: Keyring
) -> Resealed:
    changes: list[dict[str, Any]] = []
    unreadable: list[UUID] = []
    for row_id, envelope in rows:
        where = place(column.table.name, column.name, row_id)
        try:
            if sealing_key_id(envelope) != keyring.active_id:
                sealed = keyring.seal(keyring.open(envelope, where), where)
                changes.append({"row_id": row_id, "read": envelope, "sealed": sealed})
        except SealError:
            unreadable.append(row_id)
    if changes:
        await _replace(database, column, changes)
    left_alone = len(rows) - len(changes) - len(unreadable)
    return Resealed(column.table.name, column.name, len(changes), left_alone, tuple(unreadable))


async def _replace(database: Database, column: Column[Any], changes: list[dict[str, Any]]) -> None:
    table: Table = column.table  # pyright: ignore[reportAssignmentType] - a sealed column is one of a table
    statement = (
        update(table)
        .where(table.c.id == bindparam("row_id"), column == bindparam("read"))
        .values({column.name: bindparam("sealed")})
    )
    async with database.transaction() as transaction:
        await transaction.connection.execute(statement, changes)
