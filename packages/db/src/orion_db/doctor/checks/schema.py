"""Tables and the server under them: keys, persistence, collations, age of the version."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from orion_db.doctor.advice import put_into_migration
from orion_db.doctor.check import Check, Row, each, nothing, rows
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.server import Server
from orion_db.roles import quoted

DECLARED_UNLOGGED = frozenset({"api_key_rates", "leak_report_rates", "rate_limits"})
"""Counters that may be lost in a crash, by decision."""

END_OF_LIFE = {
    13: date(2025, 11, 13),
    14: date(2026, 11, 12),
    15: date(2027, 11, 11),
    16: date(2028, 11, 9),
    17: date(2029, 11, 8),
    18: date(2030, 11, 14),
}
"""When the last fix of each major version comes (PostgreSQL's versioning policy, as of 2026)."""

_WITHOUT_KEY = """
SELECT c.oid::regclass::text AS table, greatest(c.reltuples, 0)::bigint AS rows
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_index AS x WHERE x.indrelid = c.oid AND x.indisprimary)
ORDER BY 1
"""


def _without_key(row: Row, server: Server) -> Finding:
    lines = (put_into_migration(server),) if row["table"] in server.target.service.metadata.tables else ()
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=row["table"],
        table=row["table"],
        what=f"no primary key, about {row['rows']} rows",
        numbers={"rows": row["rows"]},
        fix=(*lines, f"ALTER TABLE {row['table']} ADD COLUMN id uuid NOT NULL DEFAULT uuidv7() PRIMARY KEY"),
        undo=(f"ALTER TABLE {row['table']} DROP COLUMN id",),
    )


_UNLOGGED = """
SELECT c.oid::regclass::text AS table, pg_total_relation_size(c.oid) AS bytes
FROM pg_class AS c
WHERE c.relkind = 'r' AND c.relpersistence = 'u'
ORDER BY 1
"""


def _unlogged(row: Row, _: Server) -> Finding | None:
    if row["table"] in DECLARED_UNLOGGED:
        return None
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=row["table"],
        table=row["table"],
        what="UNLOGGED: it is empty after a crash, and on every replica",
        numbers={"bytes": row["bytes"]},
        fix=("-- this rewrites the table under a lock that stops everybody", f"ALTER TABLE {row['table']} SET LOGGED"),
        undo=(f"ALTER TABLE {row['table']} SET UNLOGGED",),
    )


_COLLATIONS = """
SELECT
  'database' AS kind, datname AS name, datcollversion AS recorded, pg_database_collation_actual_version(oid) AS actual
FROM pg_database
WHERE datname = current_database() AND datcollversion <> pg_database_collation_actual_version(oid)
UNION ALL
SELECT 'collation', oid::regcollation::text, collversion, pg_collation_actual_version(oid)
FROM pg_collation
WHERE collversion <> pg_collation_actual_version(oid)
  AND EXISTS (SELECT FROM pg_attribute AS a WHERE a.attcollation = pg_collation.oid AND a.attnum > 0)
"""


def _collation(row: Row, server: Server) -> Finding:
    name = quoted(row["name"]) if row["kind"] == "database" else row["name"]
    return Finding(
        check="",
        severity=Severity.CRITICAL,
        object=f"{row['kind']} {row['name']}",
        what=f"made with version {row['recorded']} of its collation, the system now sorts by {row['actual']}",
        numbers={"recorded": row["recorded"], "actual": row["actual"]},
        fix=(
            f"REINDEX DATABASE CONCURRENTLY {quoted(server.target.database)}",
            f"ALTER {row['kind'].upper()} {name} REFRESH {'COLLATION ' if row['kind'] == 'database' else ''}VERSION",
        ),
    )


def _end_of_life(_: Sequence[Row], server: Server) -> Iterable[Finding]:
    major = server.version // 10000
    last = END_OF_LIFE.get(major, date.max if major > max(END_OF_LIFE) else date.min)
    if last == date.max:
        return
    left = datetime(last.year, last.month, last.day, tzinfo=UTC) - server.now
    if left > timedelta(days=180):
        return
    yield Finding(
        check="",
        severity=Severity.WARNING if left < timedelta() else Severity.INFO,
        object=f"PostgreSQL {major}",
        what=f"its last fix {'came' if left < timedelta() else 'comes'} on {last:%Y-%m-%d}",
        numbers={"days_left": left.days},
        fix=("-- pg_upgrade to a later major version; Orion runs on 15 to 18",),
    )


CHECKS = (
    Check(
        id="no-primary-key",
        title="Table without a primary key",
        why="A row of it cannot be named: neither by logical replication, nor by a program that must change just one.",
        todo="Give it one, in a migration.",
        read=rows(_WITHOUT_KEY),
        judge=each(_without_key),
        weight=3,
    ),
    Check(
        id="unlogged-table",
        title="UNLOGGED table",
        why="A crash empties it.",
        todo="Make it logged, unless what it holds may be lost; rate_limits is declared so.",
        read=rows(_UNLOGGED),
        judge=each(_unlogged),
        weight=4,
    ),
    Check(
        id="collation-version",
        title="The system's collation has changed",
        why="Indexes on text are sorted by the old order: rows are not found, and unique ones come twice.",
        todo="Rebuild the indexes, then record the new version.",
        read=rows(_COLLATIONS),
        judge=each(_collation),
        weight=8,
    ),
    Check(
        id="end-of-life",
        title="Version of PostgreSQL that gets no more fixes",
        why="Security holes stay open. Whether the minor version is behind cannot be known from here.",
        todo="Upgrade.",
        read=nothing,
        judge=_end_of_life,
        weight=6,
    ),
)
