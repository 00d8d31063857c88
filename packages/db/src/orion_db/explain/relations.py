"""What the catalog says of the tables in a plan: their size, their parents, and the indexes that they have."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True)
class Index:
    """An index of a table, as far as it says whether it could have been used."""

    name: str
    columns: tuple[str, ...]
    """Key columns or expressions, in order."""
    predicate: str | None
    method: str
    is_valid: bool


@dataclass(frozen=True)
class Relation:
    """A table, or a partition, that a plan reads."""

    name: str
    parent: str | None
    """Of a partition: the table that it is part of, at the top."""
    pages: int
    indexes: tuple[Index, ...]

    @property
    def table(self) -> str:
        """What an index is made on."""
        return self.parent or self.name


_RELATIONS = text("""
SELECT
  c.relname,
  CASE WHEN c.relispartition THEN (SELECT relname FROM pg_class WHERE oid = pg_partition_root(c.oid)) END,
  c.relpages
FROM pg_class AS c
WHERE c.relname = ANY (:names) AND c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid)
""")

_INDEXES = text("""
SELECT
  t.relname AS table,
  i.relname AS name,
  ARRAY(
    SELECT pg_get_indexdef(x.indexrelid, position, true) FROM generate_series(1, x.indnkeyatts) AS position
  ) AS columns,
  pg_get_expr(x.indpred, x.indrelid, true) AS predicate,
  am.amname AS method,
  x.indisvalid AND x.indisready AS is_valid
FROM pg_index AS x
JOIN pg_class AS t ON t.oid = x.indrelid
JOIN pg_class AS i ON i.oid = x.indexrelid
JOIN pg_am AS am ON am.oid = i.relam
WHERE t.relname = ANY (:names) AND pg_table_is_visible(t.oid)
ORDER BY i.relname
""")


async def read_relations(connection: AsyncConnection, names: Iterable[str]) -> dict[str, Relation]:
    """The named tables that there are."""
    known = {"names": sorted(set(names))}
    indexes: dict[str, list[Index]] = {}
    for row in await connection.execute(_INDEXES, known):
        index = Index(row.name, tuple(row.columns), row.predicate, row.method, row.is_valid)
        indexes.setdefault(row.table, []).append(index)
    rows = await connection.execute(_RELATIONS, known)
    return {row[0]: Relation(row[0], row[1], row[2], tuple(indexes.get(row[0], ()))) for row in rows}
