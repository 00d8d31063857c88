"""Every statement on `audit_checkpoints` and `audit_signing_keys`, and those that read entries for checkpoints."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, bindparam, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_user.audit.tables import AuditCheckpoint, AuditLog, AuditSigningKey

LOGS = table_of(AuditLog)
CHECKPOINTS = table_of(AuditCheckpoint)
KEYS = table_of(AuditSigningKey)

LOCK = 0x6F72696F6E30
"""Advisory lock under which the chain grows; advisory locks are per database."""

XMIN = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")

WAITING = text("""
    SELECT id, transaction_id, leaf_hash
    FROM audit_logs
    WHERE transaction_id < :xmin                                                       -- ix_audit_logs_brin
      AND (transaction_id > :horizon
        OR (transaction_id = :horizon AND (CAST(:after_id AS uuid) IS NULL OR id > :after_id)))
    ORDER BY transaction_id, id
    LIMIT :limit
""").bindparams(bindparam("after_id", type_=CHECKPOINTS.c.after_id.type))

UNCOVERED = text("""
    SELECT entry.id, entry.transaction_id, entry.leaf_hash
    FROM audit_logs AS entry
    WHERE entry.id >= uuidv7_floor(:since)                                             -- the months since then alone
      AND NOT EXISTS (
        SELECT FROM audit_checkpoints AS checkpoint
        WHERE checkpoint.created_at >= :since AND entry.id = ANY(checkpoint.leaf_ids)
      )
    ORDER BY entry.id
    LIMIT :limit
""")
"""For a database that was moved to another server, whose transactions count anew: looked for once, after the move."""

NOT_IN_CHAIN = text("""
    SELECT entry.*
    FROM audit_logs AS entry
    WHERE NOT EXISTS (
      SELECT FROM (SELECT unnest(leaf_ids) AS id FROM audit_checkpoints) AS leaf WHERE leaf.id = entry.id
    )
    ORDER BY entry.id
""")
"""By one hash over all leaves: for a verification, which reads everything anyway."""


async def try_lock(connection: AsyncConnection) -> bool:
    """Whether the chain is ours to lengthen until the end of the transaction."""
    return bool((await connection.execute(select(func.pg_try_advisory_xact_lock(LOCK)))).scalar_one())


async def take_lock(connection: AsyncConnection) -> None:
    """Wait until nobody else lengthens the chain; held until the transaction ends."""
    await connection.execute(select(func.pg_advisory_xact_lock(LOCK)))


async def last(connection: AsyncConnection) -> RowMapping | None:
    """The latest checkpoint. By uq_audit_checkpoints_number."""
    statement = select(CHECKPOINTS).order_by(CHECKPOINTS.c.number.desc()).limit(1)
    return (await connection.execute(statement)).mappings().one_or_none()


async def xmin(connection: AsyncConnection) -> int:
    """Below it, every transaction has ended: what those wrote is seen by the next statement."""
    return int((await connection.execute(XMIN)).scalar_one())


async def waiting(
    connection: AsyncConnection, below: int, horizon: int, after_id: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Entries of ended transactions that no checkpoint has, in the order of transactions. By ix_audit_logs_brin."""
    values = {"xmin": below, "horizon": horizon, "after_id": after_id, "limit": limit}
    return (await connection.execute(WAITING, values)).mappings().all()


async def uncovered(connection: AsyncConnection, since: datetime, limit: int) -> Sequence[RowMapping]:
    """Entries since then that no checkpoint since then has. By pk_audit_logs, and all checkpoints of that time."""
    return (await connection.execute(UNCOVERED, {"since": since, "limit": limit})).mappings().all()


async def insert_checkpoint(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Add a checkpoint; uq_audit_checkpoints_number refuses a second one of its number."""
    await connection.execute(insert(CHECKPOINTS).values(**values))


async def newest_key(connection: AsyncConnection) -> RowMapping | None:
    """The key that signs. A handful of rows."""
    return (await connection.execute(select(KEYS).order_by(KEYS.c.id.desc()).limit(1))).mappings().one_or_none()


async def insert_key(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Add a key."""
    await connection.execute(insert(KEYS).values(**values))


async def public_keys(connection: AsyncConnection) -> dict[str, bytes]:
    """Every key that has ever signed, by its id."""
    rows = await connection.execute(select(KEYS.c.key_id, KEYS.c.public_key))
    return {row.key_id: row.public_key for row in rows}


async def checkpoints(connection: AsyncConnection, after: int, limit: int) -> Sequence[RowMapping]:
    """Checkpoints in their order, after a number. By uq_audit_checkpoints_number."""
    statement = select(CHECKPOINTS).where(CHECKPOINTS.c.number > after).order_by(CHECKPOINTS.c.number).limit(limit)
    return (await connection.execute(statement)).mappings().all()


async def entries(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, RowMapping]:
    """Entries by their ids. By pk_audit_logs."""
    rows = await connection.execute(select(LOGS).where(LOGS.c.id == func.any(list(ids))))
    return {row["id"]: row for row in rows.mappings()}


async def not_in_chain(connection: AsyncConnection) -> AsyncGenerator[RowMapping]:
    """Entries that no checkpoint has, streamed. By a hash over all leaves."""
    async with connection.stream(NOT_IN_CHAIN) as rows:
        async for row in rows.mappings():
            yield row
