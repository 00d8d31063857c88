"""Explain a statement in a transaction that is rolled back, as the role that the service runs as."""

from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.connections import service_connection
from orion_db.errors import Exit, Problem, reason
from orion_db.explain.advice import advise
from orion_db.explain.explanation import Explanation, PlanFound
from orion_db.explain.named import Call, prepare_call
from orion_db.explain.plan import Node, blame, costliest, draw, read_plan, read_triggers
from orion_db.explain.relations import Relation, read_relations
from orion_db.explain.sql import Statement, read_statement, recorded_statement
from orion_db.progress import Progress, Step, silent
from orion_db.targets import Target

STATEMENT_TIMEOUT = "60s"
LOCK_TIMEOUT = "2s"


@dataclass(frozen=True)
class Sent:
    """A statement as it goes to the server."""

    statement: Statement
    parameters: tuple[Any, ...] = ()


async def explain(
    target: Target,
    query: str,
    values: Mapping[str, str | None],
    *,
    run: bool = True,
    progress: Progress = silent,
) -> Explanation:
    """The plans of a named statement or of SQL; with `run`, measured in a transaction that is rolled back.

    Raises Problem `not_explainable` for what a rollback could not take back, and `explain_failed`.
    """
    progress(Step(target.service.name, "explaining"))
    name = query.strip()
    if is_name(name):
        call = prepare_call(target.service, name, values)
        plans = await explain_call(target, call, run=run)
    else:
        plans = (await explain_sent(target, Sent(read_statement(query, values)), run=run),)
    return Explanation(target.service.name, name, plans)


def is_name(query: str) -> bool:
    """Whether it is SLICE.FUNCTION rather than SQL."""
    return query.replace(".", "").replace("_", "").isalnum() and "." in query


async def explain_sent(target: Target, sent: Sent, *, run: bool) -> PlanFound:
    """One statement, on a connection of its own."""
    with _failure_explained(sent.statement.sql):
        async with _rolled_back(target, reads_only=sent.statement.reads_only) as connection:
            return await _plan(connection, sent, run=run and not sent.statement.unknown)


async def explain_call(target: Target, call: Call, *, run: bool) -> tuple[PlanFound, ...]:
    """The statements of a named one, one after the other in one transaction, as the service sends them."""
    sent = await record(target, call, run=run and not call.made_up)
    reads_only = all(each.statement.reads_only for each in sent)
    with _failure_explained(call.function.__name__):
        async with _rolled_back(target, reads_only=reads_only) as connection:
            return tuple([await _plan(connection, each, run=run, made_up=bool(call.made_up)) for each in sent])


class _Recorded(Exception):
    """The statement has been noted, and does not go to the server."""


async def record(target: Target, call: Call, *, run: bool) -> list[Sent]:
    """What the function sends. With `run` it runs, in a transaction that is rolled back, so that all of its statements
    are seen; else it is stopped at the first, before that reaches the server.
    """
    sent: list[Sent] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        sent.append(Sent(recorded_statement(statement), tuple(parameters or ())))
        if not run:
            raise _Recorded
        refuse_lasting(sent[-1].statement)

    with _failure_explained(call.function.__name__):
        async with _rolled_back(target, reads_only=False) as connection:
            raw = connection.sync_connection
            assert raw is not None
            event.listen(raw, "before_cursor_execute", note)
            try:
                await call.function(connection=connection, **call.arguments)
            except _Recorded:
                pass
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                if not sent:  # else: its statements are known, and what it made of their answer is its own affair
                    raise _not_callable(call, error) from error
            finally:
                event.remove(raw, "before_cursor_execute", note)
    return sent


@asynccontextmanager
async def _rolled_back(target: Target, *, reads_only: bool) -> AsyncGenerator[AsyncConnection]:
    """A transaction as the service's role, which ends in a rollback however it ends."""
    async with service_connection(target, "explain") as connection:
        transaction = await connection.begin()
        try:
            if reads_only:
                await connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            for setting in (f"statement_timeout = '{STATEMENT_TIMEOUT}'", f"lock_timeout = '{LOCK_TIMEOUT}'"):
                await connection.exec_driver_sql(f"SET LOCAL {setting}")
            await connection.exec_driver_sql("SET LOCAL standard_conforming_strings = on")
            yield connection
        finally:
            await transaction.rollback()


async def _plan(connection: AsyncConnection, sent: Sent, *, run: bool, made_up: bool = False) -> PlanFound:
    statement = sent.statement
    unknown = len(sent.parameters) if made_up else statement.unknown
    measured = run and not made_up and not unknown
    if measured:
        refuse_lasting(statement)
    if unknown:
        found = await _generic_plan(connection, statement.sql, unknown)
    else:
        options = ["ANALYZE", "BUFFERS", "WAL"] if measured else []
        command = f"EXPLAIN ({', '.join([*options, 'SETTINGS', 'VERBOSE', 'FORMAT JSON'])}) {statement.sql}"
        found = await _answer(connection, command, sent.parameters)
    root = read_plan(found["Plan"])
    relations = await _relations(connection, root)
    triggers = read_triggers(found.get("Triggers", ()))
    return PlanFound(
        sql=statement.sql,
        was_run=measured,
        is_generic=bool(unknown),
        planning_ms=float(found.get("Planning Time", 0)),
        execution_ms=float(found.get("Execution Time", 0)),
        rolled_back=measured and not statement.reads_only,
        tree=tuple(draw(root)),
        costliest=costliest(root).name,
        triggers=tuple(triggers),
        blame=blame(root, triggers),
        advice=tuple(advise(root, relations)),
        settings=dict(found.get("Settings", {})),
        wal_bytes=int(found["Plan"].get("WAL Bytes", 0)),
        plan=found,
    )


def refuse_lasting(statement: Statement) -> None:
    """Raise the Problem that keeps the statement from being run, if there is one."""
    if statement.lasting:
        raise Problem(
            "not_explainable",
            Exit.REFUSED,
            f"The statement calls {statement.lasting[0]}(), whose effect no rollback takes back.",
            "Measuring a statement means running it.",
            "Leave the function out, or plan it only: --no-analyze.",
        )


async def _relations(connection: AsyncConnection, root: Node) -> dict[str, Relation]:
    return await read_relations(connection, {node.relation for node in root.walk() if node.relation})


async def _answer(connection: AsyncConnection, command: str, parameters: tuple[Any, ...]) -> dict[str, Any]:
    """EXPLAIN through the driver itself: the statement's text is the operator's, and no `%` or `:` of it is ours."""
    answer = (await _fetch(connection, command, *parameters))[0][0]
    document: list[dict[str, Any]] = orjson.loads(answer) if isinstance(answer, str | bytes) else answer
    return document[0]


async def _fetch(connection: AsyncConnection, command: str, *parameters: Any) -> list[Any]:
    """By the extended protocol, in which the server itself takes one statement and no more."""
    raw: Any = (await connection.get_raw_connection()).driver_connection
    return await raw.fetch(command, *parameters)


async def _generic_plan(connection: AsyncConnection, sql: str, unknown: int) -> dict[str, Any]:
    """The plan for any values: of a prepared statement, which every version can show (EXPLAIN's own GENERIC_PLAN is of
    16, and not to be had over a protocol that counts parameters).
    """
    await connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
    await _fetch(connection, f"PREPARE orion_explain AS {sql}")
    nulls = ", ".join(["NULL"] * unknown)
    return await _answer(connection, f"EXPLAIN (SETTINGS, VERBOSE, FORMAT JSON) EXECUTE orion_explain({nulls})", ())


@contextmanager
def _failure_explained(what: str) -> Generator[None]:
    try:
        yield
    except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Problem(
            "explain_failed",
            Exit.FAILED,
            f"PostgreSQL did not take the statement: {' '.join(what.split())[:200]}",
            reason(error),
            "It was run as the service's own role, in a transaction that is rolled back, READ ONLY for reads, "
            f"waiting {LOCK_TIMEOUT} for locks and {STATEMENT_TIMEOUT} in all.",
        ) from None


def _not_callable(call: Call, error: Exception) -> Problem:
    return Problem(
        "not_explainable",
        Exit.REFUSED,
        f"{call.function.__name__} ended before it sent a statement.",
        str(error) or type(error).__name__,
        "Give all of its arguments with --set name=value.",
    )
