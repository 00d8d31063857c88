"""The statements that take the time, as pg_stat_statements counts them."""

from collections.abc import Iterable, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.doctor.check import Check, Row, each
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.server import Server
from orion_db.observe.figures import one_line
from orion_db.observe.statements import counting_connection

SLOW_MS = 100.0
CALLS = 100
DEAR_SHARE = 0.2
LEAST_TOTAL_MS = 60_000.0

_STATEMENTS = """
SELECT
  queryid::text AS id, left(regexp_replace(query, '\\s+', ' ', 'g'), 160) AS query, calls,
  mean_exec_time AS mean_ms, total_exec_time AS total_ms, rows AS rows_returned,
  total_exec_time / nullif(sum(total_exec_time) OVER (), 0) AS share
FROM {schema}.pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = :database)
ORDER BY total_exec_time DESC
LIMIT 200
"""


async def _counted(_: AsyncConnection, server: Server) -> Sequence[Row]:
    """The statements of this database, asked wherever on the server they are counted."""
    async with counting_connection(server.target) as counting:
        if counting is None:
            return ()
        query = text(_STATEMENTS.format(schema=counting.schema))
        found = await counting.connection.execute(query, {"database": server.target.database})
        return [{str(name): value for name, value in row.items()} for row in found.mappings()]


async def _is_counted(_: AsyncConnection, server: Server) -> Sequence[Row]:
    """One row when statements are counted, wherever on the server; none when they are not."""
    loaded = server.text("shared_preload_libraries")
    # Who may not see the setting sees it as absent; then the view itself tells.
    if loaded and "pg_stat_statements" not in loaded:
        return ()
    async with counting_connection(server.target) as counting:
        return () if counting is None else ({"schema": counting.schema},)


def _slow(row: Row, _: Server) -> Finding | None:
    if row["calls"] < CALLS or row["mean_ms"] < SLOW_MS:
        return None
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=f"queryid {row['id']}",
        what=f"{row['mean_ms']:.0f} ms on average, {row['calls']} times: {one_line(row['query'])}",
        numbers={"mean_ms": round(row["mean_ms"], 1), "calls": row["calls"], "total_ms": round(row["total_ms"])},
        fix=("-- orion db explain shows where its time goes, and what index would help",),
    )


def _dear(row: Row, _: Server) -> Finding | None:
    if row["total_ms"] < LEAST_TOTAL_MS or (row["share"] or 0) < DEAR_SHARE:
        return None
    return Finding(
        check="",
        severity=Severity.INFO,
        object=f"queryid {row['id']}",
        what=f"{row['share']:.0%} of all time ({row['total_ms'] / 1000:.0f} s in {row['calls']} calls): "
        f"{one_line(row['query'])}",
        numbers={"share": round(row["share"], 3), "total_ms": round(row["total_ms"]), "calls": row["calls"]},
        fix=("-- made faster, or asked less often, it is what pays most",),
    )


def _enabling(found: Sequence[Row], server: Server) -> Iterable[Finding]:
    if found:
        return
    fix = ["-- in the database postgres, which tells of all databases:", "CREATE EXTENSION pg_stat_statements"]
    loaded = server.text("shared_preload_libraries")
    if "pg_stat_statements" not in loaded:
        libraries = ", ".join(part for part in (loaded, "pg_stat_statements") if part)
        fix = [f"ALTER SYSTEM SET shared_preload_libraries = {libraries}", "-- restart the server, then:", *fix]
    yield Finding(
        check="",
        severity=Severity.INFO,
        object="pg_stat_statements",
        what="not there, so slow and dear statements are not known",
        fix=tuple(fix),
        undo=("DROP EXTENSION pg_stat_statements",)
        if "pg_stat_statements" in loaded
        else ("ALTER SYSTEM RESET shared_preload_libraries",),
    )


OTHERS = "the statements of other logins"

CHECKS = (
    Check(
        id="slow-statement",
        title="Slow statement",
        why="Somebody waits for it, each time.",
        todo="Explain it: `orion db explain`.",
        read=_counted,
        judge=each(_slow),
        weight=3,
        sees=OTHERS,
    ),
    Check(
        id="dear-statement",
        title="Statement that takes most of the time",
        why="What it is spared, the whole server is spared.",
        todo="Make it faster, or ask it less often.",
        read=_counted,
        judge=each(_dear),
        weight=1,
        sees=OTHERS,
    ),
    Check(
        id="statements-unknown",
        title="pg_stat_statements is not there",
        why="Without it nobody knows which statements the time goes to.",
        todo="Load it; it costs a few percent at most.",
        read=_is_counted,
        judge=_enabling,
        weight=1,
    ),
)
