"""Monthly partitions: the coming ones, and rows that found none."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.house import MONTHS_AHEAD
from orion_core.ids import uuid7_floor
from orion_db.default_partitions import read_stranded
from orion_db.doctor.advice import literal
from orion_db.doctor.check import Check, Row, each, rows
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.server import Server
from orion_db.roles import quoted

MOST_MONTHS = 24

_COMING = f"""
SELECT
  p.oid::regclass::text AS table, month.ahead,
  p.relname || to_char(month.first_day, '"_y"YYYY"m"MM') AS partition
FROM pg_class AS p
CROSS JOIN LATERAL (
  SELECT ahead, date_trunc('month', CAST(:now AS timestamptz) AT TIME ZONE 'UTC') + make_interval(months => ahead)
  FROM generate_series(0, {MONTHS_AHEAD}) AS ahead
) AS month (ahead, first_day)
WHERE p.relkind = 'p' AND NOT p.relispartition AND pg_get_partkeydef(p.oid) = 'RANGE (id)'
  AND to_regprocedure('ensure_partitions(regclass, integer)') IS NOT NULL
  AND to_regclass('public.' || quote_ident(p.relname || to_char(month.first_day, '"_y"YYYY"m"MM'))) IS NULL
ORDER BY 1, 2
"""  # noqa: S608 - a constant of ours


def _missing(found: Sequence[Row], _: Server) -> Iterable[Finding]:
    by_table: dict[str, list[Row]] = {}
    for row in found:
        by_table.setdefault(row["table"], []).append(row)
    for table, missing in by_table.items():
        names = [row["partition"] for row in missing]
        now = missing[0]["ahead"] == 0
        yield Finding(
            check="",
            severity=Severity.CRITICAL if missing[0]["ahead"] <= 1 else Severity.WARNING,
            object=table,
            table=table,
            what=f"{len(names)} partitions are not there ({', '.join(names)}); "
            + ("rows go to the default partition already" if now else "without them rows go to the default partition"),
            numbers={"missing": len(names), "months_ahead": MONTHS_AHEAD},
            fix=(f"SELECT ensure_partitions({literal(table)}, {MONTHS_AHEAD})",),
            safe=True,
        )


async def _stranded(connection: AsyncConnection, _: Server) -> Sequence[Row]:
    referenced = set((await connection.execute(_REFERENCED)).scalars())
    found = await read_stranded(connection)
    return [
        {"table": row.table, "first": row.first, "last": row.last, "referenced": row.table in referenced}
        for row in found
    ]


_REFERENCED = text("""
SELECT DISTINCT confrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND conparentid = 0
""")


def _in_default(row: Row, server: Server) -> Finding:
    months = _months(row["first"], row["last"])
    fix = _moved(row["table"], months, server.target.service.owner_role)
    if row["referenced"]:
        fix = ("-- other tables refer to these rows, so they cannot leave the table even for a moment; they may stay",)
    elif len(months) > MOST_MONTHS:
        fix = ("-- these ids name no sensible time; look at the rows before anything else",)
    return Finding(
        check="",
        severity=Severity.INFO if row["referenced"] else Severity.WARNING,
        object=f"{row['table']}_default",
        table=row["table"],
        what=f"rows from {row['first']:%Y-%m-%d} to {row['last']:%Y-%m-%d} came when their month had no partition",
        numbers={"first": f"{row['first']:%Y-%m-%d}", "last": f"{row['last']:%Y-%m-%d}"},
        fix=fix,
    )


def _months(first: datetime, last: datetime) -> list[datetime]:
    """The first days of all months that rows are of; one more than may be when there are too many."""
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in numbers[: MOST_MONTHS + 1]]


def _moved(table: str, months: Sequence[datetime], owner: str) -> tuple[str, ...]:
    """Give each month its partition, filled from the default one, without firing a trigger.

    Nobody reads or writes the table meanwhile.
    """
    floors = [uuid7_floor(month) for month in (*months, _next(months[-1]))]
    into: list[str] = []
    for month, low, high in zip(months, floors, floors[1:], strict=False):
        partition = f"{table}_y{month:%Y}m{month:%m}"
        into += [
            f"CREATE TABLE {partition} (LIKE {table}_default INCLUDING ALL)",
            f"INSERT INTO {partition} SELECT * FROM {table}_default WHERE id >= '{low}' AND id < '{high}'",  # noqa: S608
            f"ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ('{low}') TO ('{high}')",
        ]
    left = f"SELECT FROM {table}_default WHERE id < '{floors[0]}' OR id >= '{floors[-1]}'"
    return (
        "-- at a quiet hour: the table is locked against everybody until COMMIT",
        f"SET ROLE {quoted(owner)}",
        "BEGIN",
        f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
        f"ALTER TABLE {table} DETACH PARTITION {table}_default",
        *into,
        f"DO $$ BEGIN IF EXISTS ({left}) THEN RAISE 'rows of other months came: ask the doctor again'; END IF; END $$",
        f"DROP TABLE {table}_default",
        f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT",
        "COMMIT",
        "RESET ROLE",
    )


def _next(month: datetime) -> datetime:
    return datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)


CHECKS = (
    Check(
        id="partitions-ahead",
        title="Partitions of the coming months are missing",
        why="Rows of a month without a partition go to the default one, and that month never gets its own.",
        todo="Make them; running services and `deploy` do it by themselves, so look why they did not.",
        read=rows(_COMING),
        judge=_missing,
        weight=6,
    ),
    Check(
        id="rows-in-default-partition",
        title="Rows in a default partition",
        why="Their months cannot be detached by themselves when their time has come.",
        todo="Move them while nobody writes.",
        read=_stranded,
        judge=each(_in_default),
        weight=2,
    ),
)
