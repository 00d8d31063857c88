"""Dead rows, stale statistics, and autovacuum that is kept from its work."""

import json
from collections.abc import Mapping

from orion_db.doctor.autovacuum import Changes, analyze_threshold, insert_threshold, is_disabled, vacuum_threshold
from orion_db.doctor.check import Check, Row, each, rows
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.server import Server

OVERDUE = 2.0
"""Autovacuum looks once a minute: a table is overdue when it has twice what it would come for."""

LEAST_ROWS = 1000
"""Less than that is not worth a word."""

_ACTIVITY = """
SELECT
  s.relid::regclass::text AS table, c.reltuples AS rows, c.relpages AS pages, coalesce(c.relallvisible, 0) AS visible,
  s.n_live_tup AS live, s.n_dead_tup AS dead, s.n_mod_since_analyze AS changed, s.n_ins_since_vacuum AS inserted,
  greatest(s.last_vacuum, s.last_autovacuum) AS vacuumed_at,
  greatest(s.last_analyze, s.last_autoanalyze) AS analyzed_at,
  (SELECT jsonb_object_agg(option_name, option_value) FROM pg_options_to_table(c.reloptions))::text AS options
FROM pg_stat_user_tables AS s
JOIN pg_class AS c ON c.oid = s.relid
WHERE c.relkind = 'r'
ORDER BY 1
"""


def _options(row: Row) -> Mapping[str, str]:
    return json.loads(row["options"] or "{}")


def _changes(row: Row) -> Changes:
    return Changes(row["rows"], min(1.0, row["visible"] / row["pages"]) if row["pages"] else 0)


def _vacuum(row: Row, server: Server) -> Finding | None:
    dead, threshold = row["dead"], vacuum_threshold(server, _options(row), _changes(row))
    inserted, for_inserts = row["inserted"], insert_threshold(server, _options(row), _changes(row))
    if dead >= LEAST_ROWS and dead > OVERDUE * threshold:
        what, because = f"{dead} dead rows beside {row['live']} living", threshold
    elif for_inserts is not None and inserted >= 10 * LEAST_ROWS and inserted > OVERDUE * for_inserts:
        what, because = f"{inserted} rows inserted since the last VACUUM", for_inserts
    else:
        return None
    last = f"{row['vacuumed_at']:%Y-%m-%d %H:%M}" if row["vacuumed_at"] else "never"
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=row["table"],
        table=row["table"],
        what=f"{what}; autovacuum should come at {because:.0f}; last vacuumed: {last}",
        numbers={"dead": dead, "live": row["live"], "inserted": inserted, "threshold": round(because)},
        fix=(f"VACUUM (ANALYZE) {row['table']}",),
        safe=True,
    )


def _analyze(row: Row, server: Server) -> Finding | None:
    changed, threshold = row["changed"], analyze_threshold(server, _options(row), _changes(row))
    if row["analyzed_at"] is None or changed < LEAST_ROWS or changed <= OVERDUE * threshold:
        return None
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=row["table"],
        table=row["table"],
        what=f"{changed} rows changed since the last ANALYZE on {row['analyzed_at']:%Y-%m-%d %H:%M}; "
        f"autovacuum should come at {threshold:.0f}",
        numbers={"changed": changed, "threshold": round(threshold), "live": row["live"]},
        fix=(f"ANALYZE {row['table']}",),
        safe=True,
    )


def _never_analyzed(row: Row, _: Server) -> Finding | None:
    if row["analyzed_at"] is not None or row["live"] < LEAST_ROWS or row["rows"] >= LEAST_ROWS / 2:
        return None
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=row["table"],
        table=row["table"],
        what=f"about {row['live']} rows, and no statistics of them",
        numbers={"live": row["live"]},
        fix=(f"ANALYZE {row['table']}",),
        safe=True,
    )


_PARENTS = """
SELECT p.oid::regclass::text AS table, p.reltuples AS rows, leaves.rows AS rows_of_partitions
FROM pg_class AS p
CROSS JOIN LATERAL (
  SELECT sum(greatest(c.reltuples, s.n_live_tup, 0)) AS rows
  FROM pg_partition_tree(p.oid) AS t
  JOIN pg_class AS c ON c.oid = t.relid
  JOIN pg_stat_user_tables AS s ON s.relid = t.relid
  WHERE t.isleaf
) AS leaves
WHERE p.relkind = 'p' AND NOT p.relispartition
ORDER BY 1
"""


def _parent(row: Row, _: Server) -> Finding | None:
    known, now = max(row["rows"], 0), float(row["rows_of_partitions"] or 0)
    if now < LEAST_ROWS or abs(now - known) <= max(now, known) * 0.2:
        return None
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=row["table"],
        table=row["table"],
        what=f"its statistics say {known:.0f} rows, its partitions have about {now:.0f}",
        numbers={"rows": round(known), "rows_of_partitions": round(now)},
        fix=(f"ANALYZE {row['table']}",),
        safe=True,
    )


def _disabled(row: Row, _: Server) -> Finding | None:
    if not is_disabled(_options(row)):
        return None
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=row["table"],
        table=row["table"],
        what=f"autovacuum_enabled is off; {row['dead']} dead rows beside {row['live']} living",
        numbers={"dead": row["dead"], "live": row["live"]},
        fix=(f"ALTER TABLE {row['table']} RESET (autovacuum_enabled)",),
        undo=(f"ALTER TABLE {row['table']} SET (autovacuum_enabled = false)",),
    )


CHECKS = (
    Check(
        id="vacuum-overdue",
        title="VACUUM overdue",
        why="Dead rows are read by every scan and take space that new rows could have; the table only grows.",
        todo="Vacuum it. If it comes back: look who holds xmin, and whether autovacuum is off or too slow.",
        read=rows(_ACTIVITY),
        judge=each(_vacuum),
        weight=5,
    ),
    Check(
        id="analyze-overdue",
        title="Statistics are stale",
        why="The planner chooses by what the table was, not by what it is.",
        todo="Analyze it.",
        read=rows(_ACTIVITY),
        judge=each(_analyze),
        weight=3,
    ),
    Check(
        id="statistics-missing",
        title="Table without statistics",
        why="The planner guesses, and guesses badly: it knows neither how many rows there are nor how they are spread.",
        todo="Analyze it; after a restore or a pg_upgrade the whole database.",
        read=rows(_ACTIVITY),
        judge=each(_never_analyzed),
        weight=3,
    ),
    Check(
        id="partitioned-statistics",
        title="Statistics of a partitioned table are stale",
        why="Autovacuum analyzes partitions and never the table they are of; joins are planned by the latter.",
        todo="Analyze it from time to time: `orion db maintain` does.",
        read=rows(_PARENTS),
        judge=each(_parent),
        weight=2,
    ),
    Check(
        id="autovacuum-disabled",
        title="Autovacuum is switched off for a table",
        why="Somebody did so for a bulk load and forgot; the table bloats until transaction ids run out.",
        todo="Reset the option.",
        read=rows(_ACTIVITY),
        judge=each(_disabled),
        weight=5,
    ),
)
