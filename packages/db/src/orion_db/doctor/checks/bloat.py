"""Space that tables and indexes hold and do not use.

Estimated from the statistics of the columns: what the rows need (PostgreSQL documentation, chapter 66.6 page layout;
64.1.4 B-tree) against the pages that are there. pgstattuple measures instead, where it is and may be used.
"""

from orion_db.doctor.advice import mb
from orion_db.doctor.check import Check, Row, each, rows
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.server import Server

BLOATED_SHARE = 0.5
"""Half of the pages: a B-tree that random keys fill is a third empty by nature."""

BLOATED_BYTES = 8 << 20

_INDEXES_ESTIMATED = """
WITH btree AS (
  SELECT
    i.oid, x.indrelid, x.indexprs IS NOT NULL AS expressions, x.indkey, x.indnatts, n.nspname, i.relname,
    t.relname AS table_name, greatest(i.reltuples, 0) AS entries, i.relpages AS pages,
    current_setting('block_size')::integer AS page,
    coalesce((SELECT option_value::integer FROM pg_options_to_table(i.reloptions) WHERE option_name = 'fillfactor'), 90)
      AS fill,
    x.indisexclusion
  FROM pg_index AS x
  JOIN pg_class AS i ON i.oid = x.indexrelid AND i.relkind = 'i'
  JOIN pg_class AS t ON t.oid = x.indrelid
  JOIN pg_namespace AS n ON n.oid = i.relnamespace
  JOIN pg_am AS m ON m.oid = i.relam AND m.amname = 'btree'
  WHERE x.indisvalid AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND i.relpages * current_setting('block_size')::bigint >= :least
), entry AS (
  SELECT
    b.oid,
    count(s.attname) AS known,
    sum((1 - s.null_frac) * s.avg_width) AS width,
    max(s.null_frac) > 0 AS nulls
  FROM btree AS b
  JOIN pg_attribute AS a ON a.attrelid = b.oid AND a.attnum > 0
  LEFT JOIN pg_attribute AS c ON c.attrelid = b.indrelid AND c.attnum = b.indkey[a.attnum - 1]
  LEFT JOIN pg_stats AS s ON s.schemaname = b.nspname AND NOT s.inherited
    AND (s.tablename = b.table_name AND s.attname = c.attname OR s.tablename = b.relname AND s.attname = a.attname)
  GROUP BY b.oid
)
SELECT
  b.oid, b.oid::regclass::text AS index, b.indrelid::regclass::text AS table, b.indisexclusion AS exclusion,
  pg_relation_size(b.oid) AS bytes,
  -- an entry: line pointer 4, header 8 (16 with nulls), data in steps of 8; a page: header 24, special space 16
  b.page * ceil(
    b.entries * (4 + CASE WHEN e.nulls THEN 16 ELSE 8 END + ceil(e.width / 8) * 8) / ((b.page - 40) * b.fill / 100.0)
    + 1
  ) AS needed
FROM btree AS b
JOIN entry AS e ON e.oid = b.oid AND e.known = b.indnatts
"""

_INDEXES_MEASURED = """
SELECT estimated.oid, index, "table", exclusion, bytes, measured.needed
FROM ({estimated}) AS estimated
CROSS JOIN LATERAL (
  SELECT leaf_pages * current_setting('block_size')::integer * greatest(avg_leaf_density, 0) / 90 AS needed
  FROM {schema}.pgstatindex(estimated.oid::regclass)
) AS measured
WHERE bytes - estimated.needed > bytes * 0.3       -- only what is suspected: all of an index is read
"""


def _index_query(server: Server) -> str:
    estimated = _INDEXES_ESTIMATED.replace(":least", str(BLOATED_BYTES))
    if not server.exact:
        return estimated
    return _INDEXES_MEASURED.format(estimated=estimated, schema=server.extensions["pgstattuple"])


def _index(row: Row, server: Server) -> Finding | None:
    size, waste = row["bytes"], int(row["bytes"] - row["needed"])
    if waste < BLOATED_BYTES or waste < size * BLOATED_SHARE:
        return None
    reindex = f"REINDEX INDEX CONCURRENTLY {row['index']}"
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=row["index"],
        table=row["table"],
        what=f"{mb(waste)} of {mb(size)} ({waste / size:.0%}) are empty, {_how(server)}",
        numbers={"bytes": size, "wasted_bytes": waste},
        fix=("-- at a quiet hour: this blocks writes", f"REINDEX INDEX {row['index']}")
        if row["exclusion"]
        else (reindex,),
        safe=not row["exclusion"],
    )


_TABLES_ESTIMATED = """
WITH heap AS (
  SELECT
    c.oid, n.nspname, c.relname, greatest(c.reltuples, 0) AS rows, c.relpages AS pages,
    current_setting('block_size')::integer AS page,
    coalesce(
      (SELECT option_value::integer FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor'), 100
    ) AS fill,
    (SELECT count(*) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND c.relpages * current_setting('block_size')::bigint >= :least
), tuple AS (
  SELECT
    h.oid,
    count(*) AS known,
    sum((1 - s.null_frac) * s.avg_width) AS width,
    max(s.null_frac) > 0 AS nulls
  FROM heap AS h
  JOIN pg_stats AS s ON s.schemaname = h.nspname AND s.tablename = h.relname AND NOT s.inherited
  GROUP BY h.oid
)
SELECT
  h.oid, h.oid::regclass::text AS table, pg_relation_size(h.oid) AS bytes,
  -- a row: line pointer 4, header 23 and a bit for each column where there are nulls, data, all in steps of 8
  h.page * ceil(
    h.rows * (
      4 + ceil((23 + CASE WHEN t.nulls THEN ceil(h.columns / 8.0) ELSE 0 END) / 8.0) * 8 + ceil(t.width / 8) * 8
    ) / ((h.page - 24) * h.fill / 100.0)
  ) AS needed
FROM heap AS h
JOIN tuple AS t ON t.oid = h.oid AND t.known = h.columns
"""

_TABLES_MEASURED = """
SELECT estimated.oid, "table", bytes, bytes - measured.approx_free_space - measured.dead_tuple_len AS needed
FROM ({estimated}) AS estimated
CROSS JOIN LATERAL {schema}.pgstattuple_approx(estimated.oid::regclass) AS measured
WHERE bytes - estimated.needed > bytes * 0.3
"""


def _table_query(server: Server) -> str:
    estimated = _TABLES_ESTIMATED.replace(":least", str(BLOATED_BYTES))
    if not server.exact:
        return estimated
    return _TABLES_MEASURED.format(estimated=estimated, schema=server.extensions["pgstattuple"])


def _table(row: Row, server: Server) -> Finding | None:
    size, waste = row["bytes"], int(row["bytes"] - row["needed"])
    if waste < BLOATED_BYTES or waste < size * BLOATED_SHARE:
        return None
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=row["table"],
        table=row["table"],
        what=f"{mb(waste)} of {mb(size)} ({waste / size:.0%}) hold no living row, {_how(server)}; "
        "new rows will use the space after a VACUUM, the disk gets it back only by a rewrite",
        numbers={"bytes": size, "wasted_bytes": waste},
        fix=(
            "-- this locks the table against everybody until it is rewritten; pg_repack does it without",
            f"VACUUM (FULL, ANALYZE) {row['table']}",
        ),
    )


def _how(server: Server) -> str:
    return "measured" if server.exact else "as the statistics let us estimate"


CHECKS = (
    Check(
        id="index-bloat",
        title="Bloated index",
        why="Scans read pages that are mostly empty, and the cache holds them.",
        todo="Rebuild it: REINDEX CONCURRENTLY blocks nobody, and needs the space of the new one meanwhile.",
        read=rows(_index_query),
        judge=each(_index),
        weight=3,
    ),
    Check(
        id="table-bloat",
        title="Bloated table",
        why="Every scan and every backup reads the empty space too.",
        todo="See that VACUUM keeps up; rewrite the table only if it will not fill again.",
        read=rows(_table_query),
        judge=each(_table),
        weight=3,
    ),
)
