"""What revisions do, statement by statement, seen on a scratch database: locks, rewrites, scans, catalogs.

PostgreSQL itself is asked after each statement, in the same transaction, so nothing here guesses from the SQL. Tables
are empty there: what is told is which locks are taken, and whether a table is read or written anew, not how long it
takes. Only what existed before the revision counts: nobody else uses what the revision itself makes.
"""

import time
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.catalog import Catalog
from orion_db.connections import owner_connection
from orion_db.deployment.index_statements import CreateIndex, DropIndex, read_index_statement
from orion_db.deployment.steps import MigrationStep, steps
from orion_db.errors import Exit, Problem, reason, sqlstate
from orion_db.progress import Progress, Step, silent
from orion_db.recorder import CONCURRENT, Recorder, TracedStatement, read_relations
from orion_db.revisions import Revision
from orion_db.scratch import catalog_in, migrate_scratch, scratch_database
from orion_db.targets import Target


@dataclass(frozen=True)
class Failure:
    """Why a revision does not run."""

    sql: str
    sqlstate: str
    reason: str


@dataclass(frozen=True)
class Trace:
    """One revision, applied to what the revisions before it make."""

    revision: Revision
    statements: tuple[TracedStatement, ...]
    existing: frozenset[str]
    """Tables, views and sequences that were there before it; outside of schema public with their schema."""
    before: Catalog = field(repr=False)
    after: Catalog = field(repr=False)
    """As before when the revision failed."""
    failure: Failure | None = None


async def trace(
    target: Target, revisions: Sequence[Revision], names: Collection[str], progress: Progress = silent
) -> tuple[Trace, ...]:
    """Trace the named revisions on a scratch database of the target's server; the target itself is not touched.

    Those before the first named one are only applied. The first that fails is the last that is traced.
    """
    first = next((number for number, revision in enumerate(revisions) if revision.name in names), len(revisions))
    last = max((number for number, revision in enumerate(revisions) if revision.name in names), default=-1)
    traces: list[Trace] = []
    if last < 0:
        return ()
    async with scratch_database(target) as scratch:
        await migrate_scratch(scratch, list(revisions[:first]))
        async with owner_connection(scratch, "trace") as connection:
            for revision in revisions[first : last + 1]:
                progress(Step(target.service.name, f"trying {revision.name} on a scratch database"))
                before = traces[-1].after if traces else await _catalog(connection)
                traces.append(await _traced(scratch, connection, revision, before))
                if traces[-1].failure:
                    break
    return tuple(trace for trace in traces if trace.revision.name in names or trace.failure)


async def _catalog(connection: AsyncConnection) -> Catalog:
    async with connection.begin():
        return await catalog_in(connection)


async def _traced(scratch: Target, connection: AsyncConnection, revision: Revision, before: Catalog) -> Trace:
    relations = await read_relations(connection)
    found = Trace(revision, (), relations.existing, before, before)
    recorder = Recorder(relations)
    try:
        for number, step in enumerate(steps(revision, relations.bare_names), start=1):
            recorder.step, recorder.kind = number, step.kind
            await _run_step(scratch, connection, revision, step, recorder)
    except (DBAPIError, Problem) as error:
        failure = _failure(error)
        return replace(found, statements=tuple(recorder.statements), failure=failure)
    return replace(found, statements=tuple(recorder.statements), after=await _catalog(connection))


def _failure(error: DBAPIError | Problem) -> Failure:
    if isinstance(error, Problem):
        return Failure("", error.code, f"{error.what} {error.why}".strip())
    return Failure(error.statement or "", sqlstate(error), reason(error))


async def _run_step(
    scratch: Target, connection: AsyncConnection, revision: Revision, step: MigrationStep, recorder: Recorder
) -> None:
    if step.kind == "concurrent index":
        await _run_index_step(connection, step.statements[0], recorder)
    elif step.kind == "out of transaction":
        await _run_outside(scratch, connection, step.statements[0], recorder)
    elif step.statements:
        async with _recorded(connection, recorder):
            for statement in step.statements:
                await connection.exec_driver_sql(statement)
    else:  # it asks the database what to do, so only running it tells
        async with _recorded(connection, recorder):
            await connection.run_sync(revision.upgrade)


async def _run_index_step(connection: AsyncConnection, statement: str, recorder: Recorder) -> None:
    """Build or drop it in a plain transaction, which ends in the same catalog, and tell what a deploy does."""
    index = read_index_statement(statement)
    assert index is not None
    plain = statement
    if isinstance(index, CreateIndex):
        unique = "UNIQUE INDEX" if index.unique else "INDEX"
        plain = f"CREATE {unique} {index.name} ON {index.table} {index.rest}"
        shown = f"CREATE {unique} CONCURRENTLY {index.name} ON {index.table} {index.rest}"
        tables = recorder.relations.named(index.table)
    else:
        shown = f"DROP INDEX CONCURRENTLY {', '.join(index.names)}"
        plain = f"DROP INDEX {', '.join(index.names)}"
        tables = recorder.relations.indexed_by(index)
    partitioned = recorder.relations.partitioned(tables)
    if partitioned and isinstance(index, DropIndex):  # PostgreSQL cannot drop it concurrently, and a deploy does not
        async with _recorded(connection, recorder):
            await connection.exec_driver_sql(plain)
        return
    started = time.perf_counter()
    async with connection.begin():
        await connection.exec_driver_sql(plain)
    scans = tables if isinstance(index, CreateIndex) else ()
    # The parent's own index is made ONLY there, under a lock that it needs for a moment; then come its partitions.
    taken = "SHARE" if partitioned else CONCURRENT
    recorder.note_outside(shown, tables, started, scans=scans, taken=taken)


async def _run_outside(scratch: Target, connection: AsyncConnection, statement: str, recorder: Recorder) -> None:
    """In a transaction of its own, where its locks can be seen, unless PostgreSQL refuses to run it in one."""
    try:
        async with _recorded(connection, recorder):
            await connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if sqlstate(error) != "25001":  # active_sql_transaction
            raise
        started = time.perf_counter()
        async with owner_connection(scratch, "trace", autocommit=True) as outside:
            await outside.exec_driver_sql(statement)
        recorder.note_outside(statement, recorder.relations.mentioned(statement), started)


@asynccontextmanager
async def _recorded(connection: AsyncConnection, recorder: Recorder) -> AsyncGenerator[None]:
    """A transaction whose statements are noted."""
    async with connection.begin():
        await connection.run_sync(recorder.begin)
        sync_connection = connection.sync_connection
        assert sync_connection is not None
        with recorder.listening(sync_connection):
            yield


def unknown_revision(names: Collection[str], revisions: Sequence[Revision]) -> Problem | None:
    """The Problem of a name that is no revision's, if there is one."""
    known = [revision.name for revision in revisions]
    unknown = [name for name in names if name not in known]
    if not unknown:
        return None
    return Problem(
        "unknown_revision",
        Exit.USAGE,
        f"There is no migration {unknown[0]!r}.",
        "",
        f"There are: {', '.join(known) or 'none'}.",
    )
