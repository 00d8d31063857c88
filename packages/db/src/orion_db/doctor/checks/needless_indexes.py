"""Indexes that cost and do not serve: there twice, contained in another, or INVALID."""

from collections.abc import Iterable, Sequence

from orion_db.doctor.advice import concurrently, mb, put_into_migration
from orion_db.doctor.check import Check, Row, each, rows
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.server import Server

_TWINS = """
WITH index AS (
  SELECT
    x.indexrelid, x.indrelid, x.indkey::text AS keys, x.indnkeyatts, x.indnatts, x.indisunique,
    x.indclass::text AS classes,
    x.indcollation::text AS collations, x.indoption::text AS options,
    coalesce(pg_get_expr(x.indexprs, x.indrelid), '') AS expressions,
    coalesce(pg_get_expr(x.indpred, x.indrelid), '') AS predicate,
    i.relam, i.relkind = 'I' AS partitioned, x.indisreplident OR x.indisclustered AS marked, x.indnullsnotdistinct,
    EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = x.indexrelid) AS constrains,
    -- "1 2 " is a beginning of "1 2 3 ", and "1 " is none of "12 "
    x.indkey::text || ' ' AS key_text, x.indclass::text || ' ' AS class_text, x.indoption::text || ' ' AS option_text,
    x.indcollation::text || ' ' AS collation_text
  FROM pg_index AS x
  JOIN pg_class AS i ON i.oid = x.indexrelid
  WHERE x.indisvalid AND NOT x.indisexclusion AND NOT i.relispartition
    AND x.indrelid IN (
      SELECT t.oid FROM pg_class AS t JOIN pg_namespace AS n ON n.oid = t.relnamespace
      WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    )
)
SELECT
  index.indrelid::regclass::text AS table,
  index.indexrelid::regclass::text AS index, other.indexrelid::regclass::text AS other,
  index.constrains, other.constrains AS other_constrains, index.partitioned,
  index.marked, other.marked AS other_marked,
  index.indisunique AS unique, other.indisunique AS other_unique,
  pg_get_indexdef(index.indexrelid) AS definition, pg_get_indexdef(other.indexrelid) AS other_definition,
  pg_relation_size(index.indexrelid) AS bytes, pg_relation_size(other.indexrelid) AS other_bytes
FROM index
JOIN index AS other ON other.indrelid = index.indrelid AND other.indexrelid <> index.indexrelid
  AND other.relam = index.relam AND other.predicate = index.predicate
"""

_DUPLICATES = (
    _TWINS
    + """
  AND other.keys = index.keys AND other.classes = index.classes AND other.options = index.options
  AND other.collations = index.collations AND other.expressions = index.expressions
  AND other.indnkeyatts = index.indnkeyatts AND other.indisunique = index.indisunique
  AND other.indnullsnotdistinct = index.indnullsnotdistinct
WHERE index.indexrelid < other.indexrelid
ORDER BY 1, 2
"""
)


def _duplicate(row: Row, server: Server) -> Finding:
    """Of the two, the one goes that no constraint stands on, then the one that no migration makes, then the newer."""
    pair = [
        (row["other"], row["other_definition"], row["other_constrains"] or row["other_marked"], row["other_bytes"]),
        (row["index"], row["definition"], row["constrains"] or row["marked"], row["bytes"]),
    ]
    pair.sort(key=lambda index: (index[2], server.makes("index", index[0])))
    (gone, definition, needed, size), (stays, *_) = pair
    ours = server.makes("index", gone)
    safe = not needed and not ours and not row["partitioned"]
    drop = f"DROP INDEX CONCURRENTLY {gone}"
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=gone,
        table=row["table"],
        what=f"the same as {stays}; {mb(size)}, written with every row, for nothing",
        numbers={"bytes": size},
        fix=(drop,) if safe else (put_into_migration(server), drop),
        undo=(concurrently(definition),),
        safe=safe,
    )


_REDUNDANT = (
    _TWINS  # noqa: S608 - constants of this file
    + """
  AND NOT index.indisunique                       -- a unique one says more than the longer one does
  AND index.indnatts = index.indnkeyatts
  AND (index.indnkeyatts < other.indnkeyatts OR other.indisunique AND index.indnkeyatts = other.indnkeyatts)
  AND starts_with(other.key_text, index.key_text)
  AND starts_with(other.class_text, index.class_text)
  AND starts_with(other.option_text, index.option_text)
  AND starts_with(other.collation_text, index.collation_text)
  AND index.expressions = ''
WHERE NOT index.constrains AND NOT index.marked
  AND index.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
ORDER BY 1, 2, other.indnkeyatts
"""
)


def _redundant(found: Sequence[Row], server: Server) -> Iterable[Finding]:
    told: set[str] = set()
    for row in found:
        if row["index"] in told:
            continue
        told.add(row["index"])
        ours = server.makes("index", row["index"]) or row["partitioned"]
        drop = f"DROP INDEX CONCURRENTLY {row['index']}"
        yield Finding(
            check="",
            severity=Severity.WARNING,
            object=row["index"],
            table=row["table"],
            what=f"{row['other']} begins with the same columns; {mb(row['bytes'])}",
            numbers={"bytes": row["bytes"]},
            fix=(put_into_migration(server), drop) if ours else (drop,),
            undo=(concurrently(row["definition"]),),
        )


_INVALID = """
SELECT
  x.indexrelid::regclass::text AS index, x.indrelid::regclass::text AS table,
  i.relname AS name, i.relkind = 'I' AS partitioned, pg_relation_size(x.indexrelid) AS bytes,
  EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = x.indexrelid) AS constrains,
  pg_get_indexdef(x.indexrelid) AS definition,
  -- whoever builds an index concurrently holds this lock on its table, and is seen by everybody
  EXISTS (
    SELECT FROM pg_locks AS l
    WHERE l.relation = x.indrelid AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  ) AS being_built
FROM pg_index AS x
JOIN pg_class AS i ON i.oid = x.indexrelid
WHERE NOT (x.indisvalid AND x.indisready)
ORDER BY 1
"""


def _invalid(row: Row, server: Server) -> Finding | None:
    if row["being_built"]:
        return None
    index, ours = row["index"], server.ours is not None and ("index", row["index"]) in server.ours
    left_over = "_ccnew" in row["name"] or "_ccold" in row["name"]
    rebuild = (ours or row["constrains"]) and not left_over
    fix = f"REINDEX INDEX CONCURRENTLY {index}" if rebuild else f"DROP INDEX CONCURRENTLY {index}"
    known = server.ours is not None or left_over
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=index,
        table=row["table"],
        what=(
            "left over from a REINDEX CONCURRENTLY that was broken off"
            if left_over
            else "left over from a CREATE INDEX CONCURRENTLY that failed"
        )
        + f"; {mb(row['bytes'])} that every write maintains and no query uses",
        numbers={"bytes": row["bytes"]},
        fix=("-- build and ALTER INDEX … ATTACH PARTITION what is missing on its partitions",)
        if row["partitioned"]
        else (fix,),
        undo=() if rebuild or left_over else (concurrently(row["definition"]),),
        safe=not row["partitioned"] and known,
    )


CHECKS = (
    Check(
        id="duplicate-index",
        title="Index that is there twice",
        why="Two indexes on the same columns cost twice and serve once.",
        todo="Drop the one that no constraint and no migration needs.",
        read=rows(_DUPLICATES),
        judge=each(_duplicate),
        weight=3,
        asks_migrations=True,
    ),
    Check(
        id="redundant-index",
        title="Index that a longer one contains",
        why="A B-tree on (a, b) answers what one on (a) does; both are written with every row.",
        todo="Drop the shorter one, unless the longer is much wider and the shorter much read.",
        read=rows(_REDUNDANT),
        judge=_redundant,
        weight=2,
        asks_migrations=True,
    ),
    Check(
        id="invalid-index",
        title="INVALID index",
        why="It costs every write, answers no query, and a UNIQUE one does not keep its promise.",
        todo="Drop it; one that the migrations make is built again instead.",
        read=rows(_INVALID),
        judge=each(_invalid),
        weight=4,
        asks_migrations=True,
    ),
)
