"""Numbers that run out."""

from orion_db.doctor.advice import put_into_migration
from orion_db.doctor.check import Check, Row, each, rows
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.server import Server

SOON = 0.75
VERY_SOON = 0.9

_SEQUENCES = """
WITH sequence AS (
  SELECT
    s.seqrelid, s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqtypid,
    CASE WHEN has_sequence_privilege(s.seqrelid, 'USAGE, SELECT') THEN pg_sequence_last_value(s.seqrelid) END AS last
  FROM pg_sequence AS s
  WHERE NOT s.seqcycle
), fed AS (                                       -- by ownership (serial, identity), or by a default that calls it
  SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS number
  FROM pg_depend AS d
  WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    AND d.refobjsubid > 0
  UNION
  SELECT d.refobjid, f.adrelid, f.adnum
  FROM pg_depend AS d
  JOIN pg_attrdef AS f ON f.oid = d.objid
  WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
)
SELECT
  s.seqrelid::regclass::text AS sequence, fed.relation::regclass::text AS table, a.attname AS column,
  format_type(a.atttypid, NULL) AS column_type, format_type(s.seqtypid, NULL) AS type,
  s.last, s.seqincrement AS increment, s.seqmin AS minimum, s.seqmax AS maximum,
  CASE a.atttypid WHEN 'smallint'::regtype THEN 32767 WHEN 'integer'::regtype THEN 2147483647 END AS column_maximum,
  EXISTS (
    SELECT FROM pg_index AS x
    WHERE x.indrelid = a.attrelid AND x.indisprimary AND a.attnum = ANY (x.indkey::smallint[])
  ) AS is_key
FROM sequence AS s
JOIN pg_class AS c ON c.oid = s.seqrelid
LEFT JOIN fed ON fed.sequence = s.seqrelid
LEFT JOIN pg_class AS t ON t.oid = fed.relation
LEFT JOIN pg_attribute AS a ON a.attrelid = fed.relation AND a.attnum = fed.number
WHERE NOT coalesce(t.relispartition, false)
ORDER BY 1, 2, 3
"""


def _exhausted(row: Row, server: Server) -> Finding | None:
    if row["last"] is None:
        return None
    most, by_column = _limit(row)
    least = row["minimum"]
    span = most - least if row["increment"] > 0 else row["maximum"] - least
    used = (row["last"] - least if row["increment"] > 0 else row["maximum"] - row["last"]) / span if span else 1.0
    if used < SOON:
        return None
    column = f"{row['table']}.{row['column']}" if row["column"] else "no column"
    return Finding(
        check="",
        severity=Severity.CRITICAL if used >= VERY_SOON else Severity.WARNING,
        object=row["sequence"],
        table=row["table"] or "",
        what=f"{used:.1%} used: it is at {row['last']} of {most}"
        + (f", the most that the {row['column_type']} {column} holds" if by_column else f", and feeds {column}"),
        numbers={"last": row["last"], "limit": most, "used": round(used, 4)},
        fix=_widened(row, server),
    )


def _limit(row: Row) -> tuple[int, bool]:
    """Where it ends, and whether that is the column's limit and not the sequence's own."""
    of_column = row["column_maximum"]
    if of_column is not None and of_column <= row["maximum"]:
        return of_column, True
    return row["maximum"], False


def _widened(row: Row, server: Server) -> tuple[str, ...]:
    lines: list[str] = []
    if row["table"] in server.target.service.metadata.tables:
        lines.append(put_into_migration(server))
    if row["column_maximum"]:
        lines.append("-- this rewrites the table under a lock that stops everybody; a big one wants a second column")
        lines.append(f"ALTER TABLE {row['table']} ALTER COLUMN {row['column']} TYPE bigint")
    widest = "AS bigint NO MAXVALUE" if row["increment"] > 0 else "AS bigint NO MINVALUE"
    return (*lines, f"ALTER SEQUENCE {row['sequence']} {widest}")


def _narrow_key(row: Row, server: Server) -> Finding | None:
    if not row["is_key"] or row["column_maximum"] is None:
        return None
    return Finding(
        check="",
        severity=Severity.INFO,
        object=f"{row['table']}.{row['column']}",
        table=row["table"],
        what=f"a primary key of type {row['column_type']} ends at {row['column_maximum']}; "
        f"{row['sequence']} is at {row['last'] or 'its start'}",
        numbers={"last": row["last"], "limit": row["column_maximum"]},
        fix=_widened(row, server),
    )


CHECKS = (
    Check(
        id="sequence-exhaustion",
        title="Sequence runs out",
        why="At the end every INSERT fails, at once and for good.",
        todo="Make the column and the sequence bigint, in good time: rewriting a big table takes long.",
        read=rows(_SEQUENCES),
        judge=each(_exhausted),
        weight=8,
    ),
    Check(
        id="narrow-key",
        title="Primary key that is too narrow to grow",
        why="An integer key ends after 2 thousand million rows, tried inserts included; changing it then is no fun.",
        todo="Make it bigint while the table is small, or take UUIDv7 as everywhere in Orion.",
        read=rows(_SEQUENCES),
        judge=each(_narrow_key),
        weight=1,
    ),
)
