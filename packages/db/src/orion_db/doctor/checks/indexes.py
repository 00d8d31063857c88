"""Indexes: missing, unused, said twice, broken."""

from datetime import timedelta

from orion_db.doctor.advice import concurrently, mb, name_list, put_into_migration
from orion_db.doctor.check import Check, Row, each, rows
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.ours import covering_index
from orion_db.doctor.server import Server
from orion_db.roles import quoted

STATISTICS_DAYS = 14
"""An index that was not used for that long is called unused: it includes two weekends and most weekly work."""

BIG_TABLE_BYTES = 32 << 20
SEQUENTIAL_SCANS = 100
UNUSED_BYTES = 1 << 20

_FOREIGN_KEYS = """
SELECT
  c.conrelid::regclass::text AS table,
  c.conname AS name,
  c.confrelid::regclass::text AS referenced,
  t.relname AS table_name,
  t.relkind = 'p' AS partitioned,
  pg_total_relation_size(t.oid) AS bytes,
  keys.columns
FROM pg_constraint AS c
JOIN pg_class AS t ON t.oid = c.conrelid
CROSS JOIN LATERAL (
  SELECT array_agg(a.attname::text ORDER BY k.place) AS columns
  FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
  JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.number
) AS keys
WHERE c.contype = 'f'
  AND c.conparentid = 0                           -- of partitions the parent's is told
  AND NOT EXISTS (
    SELECT FROM pg_index AS x
    WHERE x.indrelid = c.conrelid
      AND x.indisvalid
      AND (x.indpred IS NULL OR pg_get_expr(x.indpred, x.indrelid) = format('(%I IS NOT NULL)', keys.columns[1]))
      AND (x.indkey::smallint[])[0:cardinality(c.conkey) - 1] @> c.conkey
      AND x.indnkeyatts >= cardinality(c.conkey)
  )
ORDER BY 1, 2
"""


def _foreign_key(row: Row, server: Server) -> Finding:
    columns: list[str] = list(row["columns"])
    name = f"ix_{row['table_name']}_{'_'.join(columns)}"[:63]
    made = covering_index(server.ours, row["table"], columns)
    create = (
        concurrently(made)
        if made
        else f"CREATE INDEX CONCURRENTLY {quoted(name)} ON {row['table']} ({name_list(columns)})"
    )
    ours = not made and server.makes("constraint", f"{row['table']}.{row['name']}")
    on_partitions = bool(row["partitioned"])
    fix = (create,)
    if ours or on_partitions:
        fix = (put_into_migration(server), create.replace("CONCURRENTLY ", "") if on_partitions else create)
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=f"{row['table']}.{row['name']}",
        table=row["table"],
        what=f"no index begins with ({', '.join(columns)}), which refers to {row['referenced']}",
        numbers={"table_bytes": row["bytes"]},
        fix=fix,
        undo=(f"DROP INDEX CONCURRENTLY {quoted(name)}",) if not made else (),
        safe=not ours and not on_partitions,
    )


_BIG_AND_SCANNED = """
SELECT
  relid::regclass::text AS table, seq_scan AS scans, seq_tup_read AS rows_read, coalesce(idx_scan, 0) AS index_scans,
  pg_relation_size(relid) AS bytes
FROM pg_stat_user_tables
WHERE seq_scan > 0 AND NOT starts_with(schemaname, 'pg_')
ORDER BY seq_tup_read DESC
"""


def _scanned(row: Row, _: Server) -> Finding | None:
    scans, index_scans = row["scans"], row["index_scans"]
    if row["bytes"] < BIG_TABLE_BYTES or scans < SEQUENTIAL_SCANS or scans * 20 < index_scans:
        return None
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=row["table"],
        table=row["table"],
        what=f"{mb(row['bytes'])} were read whole {scans} times ({row['rows_read'] // scans} rows each); "
        f"indexes were used {index_scans} times",
        numbers={"bytes": row["bytes"], "seq_scan": scans, "idx_scan": index_scans},
        fix=("-- find the statement (orion db top), and what it lacks (orion db explain)",),
    )


_UNUSED = """
SELECT
  coalesce(pg_partition_root(s.indexrelid), s.indexrelid)::regclass::text AS index,
  min(coalesce(pg_partition_root(s.relid), s.relid)::regclass::text) AS table,
  sum(s.idx_scan) AS scans,
  sum(pg_relation_size(s.indexrelid)) AS bytes,
  bool_or(s.indexrelid <> coalesce(pg_partition_root(s.indexrelid), s.indexrelid)) AS partitioned,
  pg_get_indexdef(coalesce(pg_partition_root(s.indexrelid), s.indexrelid)) AS definition
FROM pg_stat_user_indexes AS s
JOIN pg_index AS x ON x.indexrelid = s.indexrelid
WHERE NOT x.indisunique AND NOT x.indisexclusion AND x.indisvalid AND NOT x.indisreplident
  AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = s.indexrelid)
  AND NOT EXISTS (                                -- what a foreign key needs is used by deletes of its parent
    SELECT FROM pg_constraint AS c
    WHERE c.contype = 'f' AND c.conrelid = x.indrelid AND c.conkey[1] = x.indkey[0]
  )
GROUP BY coalesce(pg_partition_root(s.indexrelid), s.indexrelid)
HAVING sum(s.idx_scan) = 0
ORDER BY sum(pg_relation_size(s.indexrelid)) DESC
"""


def _unused(row: Row, server: Server) -> Finding | None:
    since = server.statistics_since
    if row["bytes"] < UNUSED_BYTES or since is None or server.now - since < timedelta(days=STATISTICS_DAYS):
        return None
    drop = f"DROP INDEX CONCURRENTLY {row['index']}"
    ours = server.makes("index", row["index"])
    if row["partitioned"]:
        drop = f"DROP INDEX {row['index']}"
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=row["index"],
        table=row["table"],
        what=f"{mb(row['bytes'])}, not used once since {since:%Y-%m-%d}, as far as this server knows: "
        "ask the replicas too (pg_stat_user_indexes there) before dropping it",
        numbers={"bytes": int(row["bytes"]), "days": (server.now - since).days},
        fix=(put_into_migration(server), drop) if ours else (drop,),
        undo=(row["definition"] if row["partitioned"] else concurrently(row["definition"]),),
    )


CHECKS = (
    Check(
        id="foreign-key-without-index",
        title="Foreign key without an index",
        why="Each DELETE of a referenced row, or change of its key, reads the referring table whole, with locks held.",
        todo="Create the index; where the migrations make the foreign key, in a migration.",
        read=rows(_FOREIGN_KEYS),
        judge=each(_foreign_key),
        weight=5,
        asks_migrations=True,
    ),
    Check(
        id="missing-index",
        title="Big table that is read whole",
        why="A sequential scan of a big table reads all of it for a few rows, and drives others out of the cache.",
        todo="Find the statements that do it, and give them an index; reports that need every row may stay.",
        read=rows(_BIG_AND_SCANNED),
        judge=each(_scanned),
        weight=4,
    ),
    Check(
        id="unused-index",
        title="Index that nothing reads",
        why="It is written with every row, vacuumed, backed up and cached, and no statement has used it.",
        todo="Ask the replicas, wait for the end of the month if reports run then, and drop it in a migration.",
        read=rows(_UNUSED),
        judge=each(_unused),
        weight=2,
        asks_migrations=True,
    ),
)
