"""How large a database and its tables are, and how they have grown since they were last examined."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.connections import login_connection
from orion_db.doctor.history import Checkup, read_checkups
from orion_db.observe.figures import bar, short, size, sparkline, table
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result
from orion_db.targets import Target


@dataclass(frozen=True)
class TableSize:
    """A table with all of its partitions, or one of these."""

    name: str
    partitions: int
    heap_bytes: int
    """Rows, with the free space and visibility maps."""
    index_bytes: int
    toast_bytes: int
    """Long values, kept apart from their rows, with the index of these."""
    rows: int
    """As VACUUM or ANALYZE last estimated."""
    grown_bytes: int | None
    """Since the earlier examination; None when the table was not in it."""

    @property
    def bytes(self) -> int:
        return self.heap_bytes + self.index_bytes + self.toast_bytes


@dataclass(frozen=True)
class Sizes(Result):
    """What a database takes on disk."""

    database: str
    database_bytes: int
    tables: tuple[TableSize, ...]
    """The largest first."""
    compared_with: datetime | None
    """When the examination was that growth is counted from (`orion db doctor` keeps them)."""
    course: tuple[int, ...]
    """Bytes of all tables at the examinations that are kept, and now."""

    def in_words(self) -> list[str]:
        lines = [f"{self.database} has {size(self.database_bytes)}"]
        if self.compared_with:
            lines.append(
                f"growth is since {self.compared_with:%Y-%m-%d %H:%M} UTC; all tables: {sparkline(self.course)}"
            )
        else:
            lines.append("growth is not known yet: `orion db doctor` keeps the sizes that it finds")
        most = max((entry.bytes for entry in self.tables), default=0)
        heads = ("table", "<", "total", "rows on disk", "indexes", "TOAST", "rows", "growth")
        return lines + table(heads, (self._row(entry, most) for entry in self.tables))

    def _row(self, entry: TableSize, most: int) -> tuple[str, ...]:
        name = f"{entry.name} ({entry.partitions} partitions)" if entry.partitions else entry.name
        grown = "" if entry.grown_bytes is None else f"{'+' if entry.grown_bytes >= 0 else ''}{size(entry.grown_bytes)}"
        parts = (entry.heap_bytes, entry.index_bytes, entry.toast_bytes)
        return name, bar(entry.bytes, most), size(entry.bytes), *map(size, parts), short(entry.rows), grown


_TABLES = text("""
SELECT
  leaf.relname AS name,
  CASE WHEN leaf.relispartition THEN pg_partition_root(leaf.oid)::regclass::text END AS parent,
  pg_table_size(leaf.oid) - coalesce(pg_total_relation_size(nullif(leaf.reltoastrelid, 0)), 0) AS heap,
  pg_indexes_size(leaf.oid) AS indexes,
  coalesce(pg_total_relation_size(nullif(leaf.reltoastrelid, 0)), 0) AS toast,
  greatest(leaf.reltuples, 0)::bigint AS rows
FROM pg_class AS leaf
JOIN pg_namespace AS n ON n.oid = leaf.relnamespace
WHERE leaf.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""")


async def sizes(target: Target, *, partitions: bool = False, progress: Progress = silent) -> Sizes:
    """Read what every table takes; with `partitions`, each partition by itself."""
    progress(Step(target.service.name, "measuring"))
    async with login_connection(target, "size") as connection, connection.begin():
        checkups = await read_checkups(connection)
        found = await _read(connection, checkups[0] if checkups else None, unfolded=partitions)
        whole = await connection.execute(text("SELECT pg_database_size(current_database())"))
        return Sizes(
            service=target.service.name,
            database=target.database,
            database_bytes=int(whole.scalar_one()),
            tables=tuple(sorted(found, key=lambda entry: (-entry.bytes, entry.name))),
            compared_with=checkups[0].taken_at if checkups else None,
            course=(
                *(sum(entry.bytes for entry in checkup.sizes.values()) for checkup in checkups[-30:]),
                sum(entry.bytes for entry in found),
            ),
        )


async def _read(connection: AsyncConnection, earlier: Checkup | None, *, unfolded: bool) -> list[TableSize]:
    folded: dict[str, TableSize] = {}
    for row in await connection.execute(_TABLES):
        name = row.name if unfolded or row.parent is None else row.parent
        before = folded.get(name) or TableSize(name, 0, 0, 0, 0, 0, None)
        folded[name] = TableSize(
            name=name,
            partitions=before.partitions + (name != row.name),
            heap_bytes=before.heap_bytes + row.heap,
            index_bytes=before.index_bytes + row.indexes,
            toast_bytes=before.toast_bytes + row.toast,
            rows=before.rows + row.rows,
            grown_bytes=None,
        )
    return [_grown(entry, earlier) for entry in folded.values()]


def _grown(entry: TableSize, earlier: Checkup | None) -> TableSize:
    then = earlier.sizes.get(entry.name) if earlier else None
    if then is None:
        return entry
    return replace(entry, grown_bytes=entry.bytes - then.bytes)
