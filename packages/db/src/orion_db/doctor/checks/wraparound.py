"""Transaction ids and multixacts: 2^31 of them, and a server that stops before the last."""

import json

from orion_db.doctor.check import Check, Row, each, rows
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.server import Server

CRITICAL_AGE = 1_500_000_000
"""At 1.6 thousand million PostgreSQL drops all politeness (vacuum_failsafe_age); at 2.1 it stops to write."""

OVERDUE = 1.5
"""Autovacuum must have come at autovacuum_freeze_max_age."""

_DATABASES = """
SELECT
  datname AS database, datname = current_database() AS here,
  age(datfrozenxid) AS age, mxid_age(datminmxid) AS multixact_age
FROM pg_database
ORDER BY 1
"""


def _database(row: Row, server: Server) -> Finding | None:
    kind, age, limit = _worse(row, server, {})
    if age < min(limit * OVERDUE, CRITICAL_AGE):
        return None
    where = () if row["here"] else (f"-- in the database {row['database']}, as its owner or a superuser",)
    return Finding(
        check="",
        severity=Severity.CRITICAL if age >= CRITICAL_AGE else Severity.WARNING,
        object=row["database"],
        what=f"its oldest {kind} is {age} old; autovacuum must have come at {limit:.0f}; at 2^31 the server stops",
        numbers={"age": age, "limit": round(limit)},
        fix=(*where, "VACUUM (FREEZE)"),
        safe=False,
    )


_TABLES = """
SELECT
  c.oid::regclass::text AS table,
  greatest(age(c.relfrozenxid), age(t.relfrozenxid)) AS age,
  greatest(mxid_age(c.relminmxid), mxid_age(t.relminmxid)) AS multixact_age,
  (SELECT jsonb_object_agg(option_name, option_value) FROM pg_options_to_table(c.reloptions))::text AS options
FROM pg_class AS c
LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid
WHERE c.relkind IN ('r', 'm')
ORDER BY 2 DESC
"""


def _table(row: Row, server: Server) -> Finding | None:
    kind, age, limit = _worse(row, server, json.loads(row["options"] or "{}"))
    if age < min(limit * OVERDUE, CRITICAL_AGE):
        return None
    return Finding(
        check="",
        severity=Severity.CRITICAL if age >= CRITICAL_AGE else Severity.WARNING,
        object=row["table"],
        table=row["table"],
        what=f"its oldest {kind} is {age} old; autovacuum must have come at {limit:.0f}",
        numbers={"age": age, "limit": round(limit)},
        fix=(f"VACUUM (FREEZE, ANALYZE) {row['table']}",),
        safe=True,
    )


def _worse(row: Row, server: Server, options: dict[str, str]) -> tuple[str, int, float]:
    """Of transaction ids and multixacts, what is nearer to its limit: kind, age, limit."""
    ages = [
        ("transaction id", row["age"], "autovacuum_freeze_max_age", 200_000_000),
        ("multixact", row["multixact_age"], "autovacuum_multixact_freeze_max_age", 400_000_000),
    ]
    # A table may only ask for less than the server's setting.
    limits = [
        (kind, age, min(server.number(name, default), float(options.get(name, "inf"))))
        for kind, age, name, default in ages
    ]
    return max(limits, key=lambda entry: entry[1] / entry[2])


CHECKS = (
    Check(
        id="wraparound-database",
        title="Transaction ids of a database run out",
        why="Before the 2^31st transaction since its oldest row was frozen, the server stops to take writes.",
        todo="Find out who keeps xmin back (check xmin-held), then vacuum.",
        read=rows(_DATABASES),
        judge=each(_database),
        weight=10,
    ),
    Check(
        id="wraparound-table",
        title="Transaction ids of a table run out",
        why="A database is as old as its oldest table, and autovacuum is late with this one.",
        todo="Vacuum it; if that does not help, find out who keeps xmin back (check xmin-held).",
        read=rows(_TABLES),
        judge=each(_table),
        weight=8,
    ),
)
