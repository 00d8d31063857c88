"""What has been done to a database since its statistics began: by table, by index, by statement."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.connections import login_connection
from orion_db.observe.figures import bar, share, short, size, table
from orion_db.observe.statements import HOW_TO_GET_IT, OWN, By, StatementFigures, read_statements
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result
from orion_db.targets import Target

SQL_LENGTH = 90


@dataclass(frozen=True)
class TableFigures:
    """What has been read and written of a table, all of its partitions together."""

    name: str
    sequential_scans: int
    rows_read_sequentially: int
    index_scans: int
    rows_read_by_index: int
    inserted: int
    updated: int
    hot_updated: int
    """Updates that touched no index, since the row's new version found place beside the old one."""
    deleted: int
    live_rows: int
    dead_rows: int
    blocks_hit: int
    blocks_read: int

    @property
    def rows_read(self) -> int:
        return self.rows_read_sequentially + self.rows_read_by_index

    @property
    def rows_written(self) -> int:
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True)
class IndexFigures:
    """How much an index is used, all of its partitions together."""

    name: str
    table: str
    scans: int
    rows_read: int
    bytes: int


@dataclass(frozen=True)
class Stats(Result):
    """Counters since `since`."""

    since: datetime | None
    """When the statistics were last reset; None: when the database was made."""
    cache_hit: float | None
    """Share of the blocks that were found in shared buffers."""
    tables: tuple[TableFigures, ...]
    """Those that most was done to, first."""
    indexes: tuple[IndexFigures, ...]
    """The most used first."""
    statements: tuple[StatementFigures, ...] | None
    """None: nobody counts them."""
    by: By

    def in_words(self) -> list[str]:
        since = f"since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else "since the beginning"
        cache = "" if self.cache_hit is None else f"; {self.cache_hit:.1%} of blocks were found in shared buffers"
        return [f"{since}{cache}", *self._tables(), "", *self._indexes(), "", *self._statements()]

    def _tables(self) -> list[str]:
        most = max((entry.rows_read + entry.rows_written for entry in self.tables), default=0)
        heads = ("table", "<", "scans", "by index", "rows read", "inserted", "updated", "HOT", "deleted", "dead", "hit")
        return table(
            heads,
            (
                (
                    entry.name,
                    bar(entry.rows_read + entry.rows_written, most, 8),
                    short(entry.sequential_scans),
                    short(entry.index_scans),
                    short(entry.rows_read),
                    short(entry.inserted),
                    short(entry.updated),
                    share(entry.hot_updated, entry.updated),
                    short(entry.deleted),
                    share(entry.dead_rows, entry.live_rows + entry.dead_rows),
                    share(entry.blocks_hit, entry.blocks_hit + entry.blocks_read),
                )
                for entry in self.tables
            ),
        )

    def _indexes(self) -> list[str]:
        rows = ((entry.name, short(entry.scans), short(entry.rows_read), size(entry.bytes)) for entry in self.indexes)
        return table(("index", "scans", "rows read", "size"), rows)

    def _statements(self) -> list[str]:
        if self.statements is None:
            return [HOW_TO_GET_IT]
        return table(
            (f"statement, by {self.by}", "calls", "total ms", "mean ms", "rows", "hit"),
            (
                (
                    entry.sql if len(entry.sql) <= SQL_LENGTH else entry.sql[: SQL_LENGTH - 1] + "…",
                    short(entry.calls),
                    f"{entry.total_ms:,.0f}",
                    f"{entry.mean_ms:,.2f}",
                    short(entry.rows),
                    share(entry.blocks_hit, entry.blocks_hit + entry.blocks_read),
                )
                for entry in self.statements
            ),
        )


_DATABASE = text("""
SELECT stats_reset, CASE WHEN blks_hit + blks_read > 0 THEN blks_hit::float8 / (blks_hit + blks_read) END
FROM pg_stat_database WHERE datname = current_database()
""")

TABLES = text(f"""
SELECT {OWN}
  coalesce(pg_partition_root(t.relid), t.relid)::regclass::text,
  sum(coalesce(seq_scan, 0))::bigint, sum(coalesce(seq_tup_read, 0))::bigint,
  sum(coalesce(idx_scan, 0))::bigint, sum(coalesce(idx_tup_fetch, 0))::bigint,
  sum(n_tup_ins)::bigint, sum(n_tup_upd)::bigint, sum(n_tup_hot_upd)::bigint, sum(n_tup_del)::bigint,
  sum(n_live_tup)::bigint, sum(n_dead_tup)::bigint,
  sum(heap_blks_hit + coalesce(idx_blks_hit, 0) + coalesce(toast_blks_hit, 0))::bigint,
  sum(heap_blks_read + coalesce(idx_blks_read, 0) + coalesce(toast_blks_read, 0))::bigint
FROM pg_stat_user_tables AS t JOIN pg_statio_user_tables AS io USING (relid)
GROUP BY 1
""")  # noqa: S608 - our own mark

_INDEXES = text("""
WITH RECURSIVE top (leaf, id) AS (
  SELECT indexrelid, indexrelid FROM pg_stat_user_indexes
  UNION ALL
  SELECT top.leaf, inhparent FROM top JOIN pg_inherits ON inhrelid = top.id
)
SELECT
  whole.indexrelid::regclass::text, whole.indrelid::regclass::text,
  sum(idx_scan)::bigint, sum(idx_tup_read)::bigint, sum(pg_relation_size(top.leaf))::bigint
FROM top
JOIN pg_stat_user_indexes AS used ON used.indexrelid = top.leaf
JOIN pg_index AS whole ON whole.indexrelid = top.id
WHERE NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = top.id)
GROUP BY 1, 2
ORDER BY 3 DESC, 1
LIMIT :limit
""")


async def stats(target: Target, *, by: By = "total", limit: int = 10, progress: Progress = silent) -> Stats:
    """Read the counters: the `limit` busiest tables, indexes and statements."""
    progress(Step(target.service.name, "reading the statistics"))
    async with login_connection(target, "stats") as connection, connection.begin():
        since, cache_hit = (await connection.execute(_DATABASE)).one()
        tables = await read_tables(connection)
        indexes = [IndexFigures(*row) for row in await connection.execute(_INDEXES, {"limit": limit})]
    statements = await read_statements(target, by, limit)
    return Stats(
        service=target.service.name,
        since=since,
        cache_hit=cache_hit,
        tables=tuple(tables[:limit]),
        indexes=tuple(indexes),
        statements=None if statements is None else tuple(statements),
        by=by,
    )


async def read_tables(connection: AsyncConnection) -> list[TableFigures]:
    """All tables, those that most was done to first."""
    found = [TableFigures(*row) for row in await connection.execute(TABLES)]
    return sorted(found, key=lambda entry: (-(entry.rows_read + entry.rows_written), entry.name))
