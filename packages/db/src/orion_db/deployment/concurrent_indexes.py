"""Indexes built and dropped beside running statements, so that it can be cut off anywhere and begun again.

PostgreSQL documentation, CREATE INDEX, "Building Indexes Concurrently": a build that is cut off leaves an INVALID
index, which no query uses and every write pays for. The same chapter says how a partitioned table is done: an index ON
ONLY the parent, one of each partition concurrently, then ATTACH; the parent's is valid when the last one is attached.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.deployment.attempts import LOCK_TIMEOUT_MS, lock_timeout
from orion_db.deployment.index_statements import CreateIndex, bare
from orion_db.errors import Exit, Problem
from orion_db.roles import quoted

_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Found:
    """An index of the catalog."""

    oid: int
    name: str
    """Quoted, with its schema."""
    valid: bool
    partitioned: bool
    table: int
    unique: bool
    definition: str
    """From USING on, as PostgreSQL writes it."""

    def is_like(self, other: "Found") -> bool:
        return (self.unique, self.definition) == (other.unique, other.definition)


@dataclass
class ConcurrentIndexes:
    """Builds and drops on an autocommit connection; each call finishes what an earlier one has begun."""

    connection: AsyncConnection
    transactional: AsyncConnection
    """Another one, which is idle: nothing may hold a snapshot while an index is built."""
    lock_timeout_ms: int
    tell: Callable[[str], None]

    async def build(self, index: CreateIndex) -> None:
        """Have the index, valid. Raises Problem `index_differs` when a valid one of another definition has its name."""
        table, partitioned, name = await self._relation(index.table)
        found = await self._named(bare(index.name or ""), table)
        if found is not None and (found.valid or found.partitioned) and not found.is_like(await self._wanted(index)):
            raise _differs(index, found)
        if found is not None and found.valid:
            return None
        if not partitioned and found is not None:
            await self._repair(found)
            return await self.build(index)
        if not partitioned:
            return await self._concurrently(f"{_create(index)} CONCURRENTLY {index.name} ON {name} {index.rest}")
        if found is None:
            await self._briefly(f"{_create(index)} {index.name} ON ONLY {name} {index.rest}")
            found = await self._named(bare(index.name or ""), table)
        assert found is not None
        return await self._build_partitions(index, found)

    async def drop(self, name: str) -> None:
        """Have no index of that name (written as in SQL, with or without a schema)."""
        row = (await self.connection.execute(_KIND, {"name": name})).first()
        if row is not None and row.relkind == "I":  # cannot be dropped concurrently; only the catalog is touched
            await self._briefly(f"DROP INDEX {name}")
        elif row is not None:
            await self._concurrently(f"DROP INDEX CONCURRENTLY {name}")

    async def left_invalid(self, index: CreateIndex) -> str | None:
        """Name of the INVALID index that a failed build has left and that cannot be dropped at once.

        A UNIQUE one goes on refusing rows while it stands, so it is not left to the next deploy if that can be helped.
        """
        table, _, _ = await self._relation(index.table)
        found = await self._named(bare(index.name or ""), table)
        if found is None or found.valid:
            return None
        try:
            concurrently = "" if found.partitioned else " CONCURRENTLY"
            await self._briefly(f"DROP INDEX{concurrently} {found.name}")
        except DBAPIError:
            return found.name
        return None

    async def _build_partitions(self, index: CreateIndex, parent: Found) -> None:
        """An attached index for each partition, those that are added meanwhile too: they come with one."""
        while missing := (await self.connection.execute(_WITHOUT, {"index": parent.oid, "table": parent.table})).all():
            for number, partition in enumerate(missing):
                self.tell(f"{partition.name}, {number + 1} of {len(missing)} partitions that have no such index yet")
                child = await self._partition_index(index, parent, partition)
                await self._briefly(f"ALTER INDEX {parent.name} ATTACH PARTITION {child.name}")
        if not (await self.connection.execute(_IS_VALID, {"index": parent.oid})).scalar_one():
            raise Problem(
                "index_invalid",
                Exit.FAILED,
                f"The index {parent.name} stays INVALID, though every partition has one.",
                "An index that somebody else attached to it is INVALID itself.",
                f"Drop {parent.name}, and repeat.",
            )

    async def _partition_index(self, index: CreateIndex, parent: Found, partition: Row[Any]) -> Found:
        """A valid index of the partition that is like its parent's: one that is there already, or a new one."""
        while not (loose := await self._loose(partition.oid, parent)) or not (loose[0].valid or loose[0].partitioned):
            if loose:
                await self._repair(loose[0])
            elif partition.relkind == "p":
                await self._briefly(f"{_create(index)} ON ONLY {partition.name} {index.rest}")
            else:
                await self._concurrently(f"{_create(index)} CONCURRENTLY ON {partition.name} {index.rest}")
        if loose[0].partitioned:
            await self._build_partitions(index, loose[0])
        return loose[0]

    async def _repair(self, found: Found) -> None:
        """Drop an INVALID index, unless somebody is just building it: then wait for that to end."""
        while builder := (await self.connection.execute(_BUILDER, {"index": found.oid})).scalar():
            self.tell(f"{found.name} is being built by pid {builder}")
            await asyncio.sleep(_POLL_SECONDS)
        if (await self.connection.execute(_IS_VALID, {"index": found.oid})).scalar() is False:
            self.tell(f"dropping {found.name}, which is INVALID: an earlier build was cut off")
            await self._concurrently(f"DROP INDEX CONCURRENTLY IF EXISTS {found.name}")

    async def _wanted(self, index: CreateIndex) -> Found:
        """The index as PostgreSQL would write it: made on an empty table of the same columns, and rolled back.

        The table has the same name, since the index may speak of it.
        """
        table = f"pg_temp.{quoted(bare(index.table))}"
        transaction = await self.transactional.begin()
        try:
            await self.transactional.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
            for statement in (
                f"CREATE TEMPORARY TABLE {quoted(bare(index.table))} (LIKE {index.table})",
                f"{_create(index)} {index.name} ON {table} {index.rest}",
            ):
                await self.transactional.exec_driver_sql(statement)
            row = (await self.transactional.execute(_INDEXES_OF, {"table": await self._oid(table)})).one()
            return Found(*row[:7])
        finally:
            await transaction.rollback()

    async def _oid(self, table: str) -> int:
        return (await self.transactional.execute(_OID, {"name": table})).scalar_one()

    async def _relation(self, table: str) -> tuple[int, bool, str]:
        """Of a table: its oid, whether it is partitioned, and its name with its schema."""
        row = (await self.connection.execute(_KIND, {"name": table})).first()
        if row is None:
            raise Problem("table_missing", Exit.FAILED, f"There is no table {table}.", "", "See `orion db drift`.")
        return row.oid, row.relkind == "p", row.name

    async def _named(self, name: str, table: int) -> Found | None:
        rows = await self.connection.execute(_INDEXES_OF, {"table": table})
        return next((Found(*row[:7]) for row in rows if row.bare == name), None)

    async def _loose(self, table: int, parent: Found) -> list[Found]:
        """The table's indexes that are like the parent's and belong to no partitioned index yet; valid ones first."""
        rows = (await self.connection.execute(_INDEXES_OF, {"table": table})).all()
        loose = [found for row in rows if (found := Found(*row[:7])).is_like(parent) and not row.attached]
        return sorted(loose, key=lambda found: not found.valid)

    async def _concurrently(self, statement: str) -> None:
        async with lock_timeout(self.connection, self.lock_timeout_ms):
            await self.connection.exec_driver_sql(statement)

    async def _briefly(self, statement: str) -> None:
        async with lock_timeout(self.connection, LOCK_TIMEOUT_MS):
            await self.connection.exec_driver_sql(statement)


def _create(index: CreateIndex) -> str:
    return "CREATE UNIQUE INDEX" if index.unique else "CREATE INDEX"


def _differs(index: CreateIndex, found: Found) -> Problem:
    return Problem(
        "index_differs",
        Exit.REFUSED,
        f"An index {found.name} exists already, and is another one.",
        f"It is {'UNIQUE ' if found.unique else ''}{found.definition}, and the migration says {index.rest}.",
        f"Drop or rename the one that is there, and repeat: ALTER INDEX {found.name} RENAME TO ….",
    )


_KIND = text("""
SELECT class.oid, relkind::text, format('%I.%I', nspname, relname) AS name
FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = relnamespace
WHERE class.oid = to_regclass(:name)
""")

_OID = text("SELECT to_regclass(:name)::oid")

_INDEXES_OF = text("""
SELECT class.oid, format('%I.%I', nspname, class.relname), indisvalid, class.relkind = 'I', indrelid, indisunique,
  substr(definition, strpos(definition, ' USING ') + 1), class.relispartition AS attached, class.relname AS bare
FROM pg_index
JOIN pg_class AS class ON class.oid = indexrelid
JOIN pg_namespace AS space ON space.oid = class.relnamespace,
pg_get_indexdef(indexrelid) AS definition
WHERE indrelid = :table
ORDER BY class.relname
""")

_WITHOUT = text("""
SELECT class.oid, format('%I.%I', nspname, class.relname) AS name, class.relkind::text
FROM pg_inherits AS partition
JOIN pg_class AS class ON class.oid = partition.inhrelid
JOIN pg_namespace AS space ON space.oid = class.relnamespace
WHERE partition.inhparent = :table AND class.relkind IN ('r', 'p') AND NOT EXISTS (
  SELECT FROM pg_inherits AS attached JOIN pg_index ON indexrelid = attached.inhrelid
  WHERE attached.inhparent = :index AND indrelid = class.oid)
ORDER BY class.relname
""")

_IS_VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = :index")

_BUILDER = text("SELECT pid FROM pg_stat_progress_create_index WHERE index_relid = :index AND pid <> pg_backend_pid()")
