"""Try an index where it harms nobody: on a copy of the tables that a statement reads.

Even in a transaction that is rolled back, CREATE INDEX would lock out every writer of a live table while it builds. So
the applied migrations build an empty database, and the tables' rows are carried over by COPY.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.connections import owner_connection
from orion_db.errors import Exit, Problem
from orion_db.explain.explanation import Explanation, PlanFound, Trial
from orion_db.explain.named import prepare_call
from orion_db.explain.plan import Node, draw
from orion_db.explain.run import Sent, explain, explain_call, explain_sent, is_name
from orion_db.explain.sql import read_statement
from orion_db.history import read_history
from orion_db.observe.figures import size
from orion_db.progress import Progress, Step, silent
from orion_db.revisions import read_revisions
from orion_db.roles import quoted
from orion_db.scratch import migrate_scratch, scratch_database
from orion_db.targets import Target

TRIED_INDEX = "orion_tried_index"

_MADE = text("""
WITH made (id) AS (
  SELECT to_regclass(:index)
  UNION
  SELECT relid FROM pg_partition_tree(to_regclass(:index))  -- a partition's index has a name of its own
)
SELECT id::text, pg_relation_size(id) FROM made
""")

_FOREIGN_KEYS = text("""
SELECT conrelid::regclass::text, quote_ident(conname) FROM pg_constraint
WHERE contype = 'f' AND conrelid::regclass::text = ANY (:tables) AND conparentid = 0
""")

_BYTES = text("""
SELECT coalesce(sum(pg_table_size(relid)), pg_table_size(to_regclass(:table)))::bigint
FROM pg_partition_tree(to_regclass(:table)) WHERE isleaf
""")

_COLUMNS = text("""
SELECT attname FROM pg_attribute
WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum
""")

_PARTITIONS = text("""
SELECT inhrelid::regclass::text, inhparent::regclass::text, pg_get_expr(relpartbound, oid)
FROM pg_inherits JOIN pg_class ON oid = inhrelid
WHERE inhparent::regclass::text = ANY (:tables) AND relispartition
""")

_SECONDARY_INDEXES = text("""
SELECT i.relname, pg_get_indexdef(x.indexrelid) FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
WHERE x.indrelid::regclass::text = ANY (:tables) AND x.indisvalid
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = x.indexrelid)
""")


async def explain_and_try(
    target: Target, query: str, values: Mapping[str, str | None], *, progress: Progress = silent
) -> Explanation:
    """Explain it, and measure what the first suggested index would change. Raises Problem `nothing_to_try`."""
    explanation = await explain(target, query, values, progress=progress)
    for number, plan in enumerate(explanation.plans):
        suggested = next((advice.index for advice in plan.advice if advice.index), None)
        if suggested:
            trial = await _try(target, query, values, number, plan, suggested, progress)
            return replace(explanation, trial=trial)
    raise Problem(
        "nothing_to_try",
        Exit.USAGE,
        "No index is suggested for this statement.",
        explanation.plans[0].blame + "." if explanation.plans else "",
        "Explain it without --try-index.",
    )


async def _try(
    target: Target,
    query: str,
    values: Mapping[str, str | None],
    number: int,
    plan: PlanFound,
    suggested: str,
    progress: Progress,
) -> Trial:
    async def once(copy: Target) -> PlanFound:
        if is_name(query):
            return (await explain_call(copy, prepare_call(copy.service, query, values), run=True))[number]
        return await explain_sent(copy, Sent(read_statement(query, values)), run=True)

    async def measure(copy: Target) -> PlanFound:
        await once(copy)  # fills the buffers
        return await once(copy)

    service = target.service.name
    async with owner_connection(target, "explain") as source, scratch_database(target) as copy:
        tables = await _tables(source, plan.root)
        progress(Step(service, f"building an empty copy for {', '.join(tables)}"))
        applied = {entry.name for entry in await read_history(source)}
        await migrate_scratch(
            copy, [each for each in read_revisions(target.service.migrations) if each.name in applied]
        )
        async with owner_connection(copy, "explain", autocommit=True) as connection:
            await _match(source, connection, tables)
            await _carry(source, connection, tables, service, progress)
            before = await measure(copy)
            statement = suggested.replace("CONCURRENTLY ", "").replace("INDEX ON", f"INDEX {TRIED_INDEX} ON")
            started = time.monotonic()
            await connection.exec_driver_sql(statement)
            build_seconds = time.monotonic() - started
            for table in tables:
                await connection.exec_driver_sql(f"ANALYZE {quoted(table)}")
            after = await measure(copy)
            made = dict((await connection.execute(_MADE, {"index": TRIED_INDEX})).all())
            return Trial(
                index=suggested,
                size_bytes=sum(made.values()),
                build_seconds=build_seconds,
                before_ms=before.execution_ms,
                after_ms=after.execution_ms,
                is_used=any(node.index in made for node in after.root.walk()),
                tables=tuple(tables),
                tree=tuple(draw(after.root)),
            )


async def _tables(source: AsyncConnection, root: Node) -> list[str]:
    """The tables that the plan reads; a partition stands for its whole table."""
    names = sorted({node.relation for node in root.walk() if node.relation})
    found = await source.execute(
        text(
            "SELECT DISTINCT coalesce(pg_partition_root(oid), oid)::regclass::text FROM pg_class "
            "WHERE relname = ANY (:names) AND relkind IN ('r', 'p') AND pg_table_is_visible(oid)"
        ),
        {"names": names},
    )
    return sorted(found.scalars())


async def _match(source: AsyncConnection, copy: AsyncConnection, tables: Sequence[str]) -> None:
    """Take away what refuses rows whose other half is not copied; make the source's partitions and indexes."""
    for table, name in (await copy.execute(_FOREIGN_KEYS, {"tables": tables})).all():
        await copy.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for table in tables:
        await copy.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for partition, parent, bound in (await source.execute(_PARTITIONS, {"tables": tables})).all():
        exists = await copy.execute(text("SELECT to_regclass(:name)"), {"name": partition})
        if exists.scalar_one() is None:
            await copy.exec_driver_sql(f"CREATE TABLE {partition} PARTITION OF {parent} {bound}")
    there = dict((await source.execute(_SECONDARY_INDEXES, {"tables": tables})).all())
    here = dict((await copy.execute(_SECONDARY_INDEXES, {"tables": tables})).all())
    for name in here.keys() - there.keys():
        await copy.exec_driver_sql(f"DROP INDEX {quoted(name)}")
    for name in there.keys() - here.keys():
        await copy.exec_driver_sql(there[name])


async def _carry(
    source: AsyncConnection, copy: AsyncConnection, tables: Sequence[str], service: str, progress: Progress
) -> None:
    """The rows, of one snapshot, streamed through this process in pieces: memory stays flat."""
    await source.rollback()
    await source.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    for table in tables:
        bytes_ = (await source.execute(_BYTES, {"table": table})).scalar_one()
        progress(Step(service, f"copying the rows of {table}, {size(bytes_)}"))
        columns = (await source.execute(_COLUMNS, {"table": table})).scalars().all()
        await _stream(source, copy, table, columns)
        await copy.exec_driver_sql(f"ANALYZE {table}")


async def _stream(source: AsyncConnection, copy: AsyncConnection, table: str, columns: Sequence[str]) -> None:
    reader: Any = (await source.get_raw_connection()).driver_connection
    writer: Any = (await copy.get_raw_connection()).driver_connection
    pieces: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=16)

    async def read() -> None:
        try:
            query = f"SELECT {', '.join(map(quoted, columns))} FROM {table}"  # noqa: S608 - names out of the catalog, quoted by it
            await reader.copy_from_query(query, output=pieces.put, format="binary")
        finally:
            await pieces.put(None)

    async def arriving() -> Any:
        while (piece := await pieces.get()) is not None:
            yield piece

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        group.create_task(writer.copy_to_table(table.strip('"'), source=arriving(), columns=columns, format="binary"))
