"""Statements that are put together once, when their module is loaded, and that the driver sends by itself.

SQLAlchemy takes longer over an execution (looking a statement up by its structure, a greenlet, a cursor, a result) than
PostgreSQL takes over most of ours. What belongs to every sign-in, refresh or event is therefore a `Statement`: still
SQLAlchemy's expression or text with its types, compiled by its dialect, and sent and read by asyncpg.
"""

import collections
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Generic, TypeVar, overload

import asyncpg
from asyncpg.exceptions import DataError, IntegrityConstraintViolationError, InternalClientError
from sqlalchemy.dialects.postgresql.asyncpg import dialect as make_dialect
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ClauseElement

_DIALECT = make_dialect()
_PARAMETER = re.compile(r"\$(\d+)")

REFUSALS = (asyncpg.PostgresError, asyncpg.InterfaceError, InternalClientError)
"""What the driver says when a statement fails, or when the connection turns out to be lost."""

Values = Mapping[str, Any]
Convert = Callable[[Any], Any]

Answer = TypeVar("Answer")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


class Statement:
    """One statement with named parameters; none of them may stand for a list of an IN.

    `columns` names those that an INSERT sets. Defaults that Python would fill in are not filled in. A text has the
    types that its `bindparams` and `columns` name; without them a value goes and comes as the driver has it.
    """

    def __init__(self, clause: ClauseElement, columns: Sequence[str] | None = None) -> None:
        compiled: Any = clause.compile(dialect=_DIALECT, column_keys=columns)
        self.sql: str = compiled.string
        self._fixed: dict[str, Any] = {name: value for name, value in compiled.params.items() if value is not None}
        self.parameters: list[tuple[str, Convert | None]] = [
            (name, compiled._bind_processors.get(name))  # noqa: SLF001
            for name in compiled.positiontup or ()
        ]
        """Names in the order of `$1`, `$2`, …, and what makes the driver's values of Python's."""
        self.types = [compiled.binds[name].type for name, _ in self.parameters]
        """Of the parameters, in the same order."""
        self._converts = _result_processors(compiled)
        self._row: Any = None
        self._results: list[Convert | None] | None = None

    def arguments(self, values: Values) -> list[Any]:
        """The values in the order of the statement's parameters, as the driver takes them."""
        return [
            convert(value) if convert is not None else value
            for value, convert in (
                (values[name] if name in values else self._fixed[name], by) for name, by in self.parameters
            )
        ]

    async def all(self, connection: AsyncConnection, values: Values) -> list[Any]:
        """Every row, its columns as attributes. Fails as SQLAlchemy does, by DBAPIError."""
        return [self.read(record) for record in await fetch(connection, self.sql, self.arguments(values))]

    async def one(self, connection: AsyncConnection, values: Values) -> Any:
        """The only row."""
        (row,) = await self.all(connection, values)
        return row

    async def one_or_none(self, connection: AsyncConnection, values: Values) -> Any:
        """The only row, or None."""
        rows = await self.all(connection, values)
        if len(rows) > 1:
            raise _too_many_rows(len(rows), self.sql)
        return rows[0] if rows else None

    async def execute(self, connection: AsyncConnection, values: Values) -> None:
        """Send it, for what it changes."""
        await fetch(connection, self.sql, self.arguments(values))

    def read(self, record: asyncpg.Record) -> Any:
        """A record of the driver, its columns as attributes, with Python's values."""
        return self.row(record.keys(), record.values())

    def row(self, names: Iterable[str], values: Iterable[Any]) -> Any:
        """The same of its names and values, which have the order of the statement's columns."""
        if self._row is None:
            names = list(names)
            self._row = collections.namedtuple("Row", names, rename=True)  # pyright: ignore[reportUntypedNamedTuple]
            if self._converts:
                self._results = [self._converts.get(name) for name in names]
        if self._results is None:
            return self._row._make(values)
        return self._row._make(
            convert(value) if convert is not None else value
            for value, convert in zip(values, self._results, strict=True)
        )


@dataclass(frozen=True)
class Look(Generic[Answer]):
    """A question that one row answers, or none, and what that row means: several are asked together."""

    statement: Statement
    values: Values
    meaning: Callable[[Any], Answer]
    """Of the row, or of None."""

    async def alone(self, connection: AsyncConnection) -> Answer:
        """Ask this only."""
        return self.meaning(await self.statement.one_or_none(connection, self.values))


@overload
async def look_together(connection: AsyncConnection, one: Look[A], two: Look[B], /) -> tuple[A, B]: ...
@overload
async def look_together(
    connection: AsyncConnection, one: Look[A], two: Look[B], three: Look[C], /
) -> tuple[A, B, C]: ...
@overload
async def look_together(
    connection: AsyncConnection, one: Look[A], two: Look[B], three: Look[C], four: Look[D], /
) -> tuple[A, B, C, D]: ...
async def look_together(connection: AsyncConnection, /, *looks: Look[Any]) -> tuple[Any, ...]:
    """What several looks find in one round trip, all at the same moment."""
    sql = _side_by_side(tuple(look.statement for look in looks))
    arguments = [argument for look in looks for argument in look.statement.arguments(look.values)]
    records = await fetch(connection, sql, arguments)
    if len(records) > 1:
        raise _too_many_rows(len(records), sql)
    return _meanings(looks, records[0])


async def look_for_many(connection: AsyncConnection, asked: Sequence[tuple[Look[A], Look[B]]]) -> list[tuple[A, B]]:
    """What pairs of looks find in one round trip, all at the same moment; each pair consists of the same statements."""
    first, *_ = asked
    sql = _for_each(tuple(look.statement for look in first))
    arguments = [[argument for look in pair for argument in look.statement.arguments(look.values)] for pair in asked]
    records = await fetch(connection, sql, [list(column) for column in zip(*arguments, strict=True)])
    if len(records) != len(asked):
        raise _too_many_rows(len(records), sql, len(asked))
    return [_meanings(pair, record) for pair, record in zip(asked, records, strict=True)]


_FOUND = "look found a row"


def _meanings(looks: Sequence[Look[Any]], record: asyncpg.Record) -> Any:
    names, values = list(record.keys()), list(record.values())
    begins = [n for n, name in enumerate(names) if name == _FOUND]
    parts = [slice(begin + 1, end) for begin, end in pairwise([*begins, len(names)])]
    return tuple(
        look.meaning(look.statement.row(names[part], values[part]) if values[begin] else None)
        for look, begin, part in zip(looks, begins, parts, strict=True)
    )


@lru_cache(256)
def _side_by_side(statements: tuple[Statement, ...]) -> str:
    looks = (
        f'LEFT JOIN (SELECT true AS "{_FOUND}", look.* FROM (\n{sql}\n) AS look) AS look_{n} ON true'  # noqa: S608
        for n, sql in enumerate(_numbered_on(statements))
    )
    return "\n".join(["SELECT *", "FROM (SELECT) AS always", *looks])


@lru_cache(256)
def _for_each(statements: tuple[Statement, ...]) -> str:
    # OFFSET 0 keeps each look a probe by its own index: of a table that is being filled, of which no statistics tell
    # anything yet, the planner would rather read all.
    probes = (_PARAMETER.sub(r"asked.p\1", sql) for sql in _numbered_on(statements))
    looks = (
        f'LEFT JOIN LATERAL (SELECT true AS "{_FOUND}", look.* FROM (\n{sql}\n) AS look OFFSET 0) AS look_{n} ON true'  # noqa: S608
        for n, sql in enumerate(probes)
    )
    types = [kind.compile(dialect=_DIALECT) for statement in statements for kind in statement.types]
    given = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(types, 1))
    named = ", ".join(f"p{n}" for n in range(1, len(types) + 1))
    asked = f"FROM unnest({given}) WITH ORDINALITY AS asked ({named}, n)"
    columns = ", ".join(f"look_{n}.*" for n in range(len(statements)))
    return "\n".join([f"SELECT {columns}", asked, *looks, "ORDER BY asked.n"])


async def execute_together(connection: AsyncConnection, writes: Sequence[tuple[Statement, Values]]) -> None:
    """Several INSERTs, UPDATEs and DELETEs in one round trip.

    They are one statement to PostgreSQL, so none sees what another has changed, and no two may change the same row
    (PostgreSQL 18, 7.8.4).
    """
    arguments = [argument for statement, values in writes for argument in statement.arguments(values)]
    await fetch(connection, _together(tuple(statement for statement, _ in writes)), arguments)


@lru_cache(256)
def _together(statements: tuple[Statement, ...]) -> str:
    if len(statements) == 1:
        return statements[0].sql
    parts = (f"write_{n} AS (\n{sql}\n)" for n, sql in enumerate(_numbered_on(statements)))
    return f"WITH {', '.join(parts)}\nSELECT"


def _numbered_on(statements: tuple[Statement, ...]) -> Iterator[str]:
    """The statements for use in one: each has its parameters behind those of the one before."""
    before = 0
    for statement in statements:
        yield _PARAMETER.sub(lambda found, add=before: f"${int(found[1]) + add}", statement.sql)
        before += len(statement.parameters)


def _too_many_rows(count: int, sql: str, most: int = 1) -> ValueError:
    return ValueError(f"{count} rows where there can be {most}: {sql}")


async def driver_of(connection: AsyncConnection) -> asyncpg.Connection:
    """The driver's own connection, which acts in whatever transaction `connection` is in."""
    if connection.invalidated:
        raw: Any = await connection.get_raw_connection()
    else:  # as it is meant, past the greenlet that the other needs
        sync: Any = connection.sync_connection
        raw = sync.connection
    return raw.driver_connection


async def fetch(connection: AsyncConnection, sql: str, arguments: Sequence[Any]) -> list[asyncpg.Record]:
    """Rows of a statement. A connection on which one was interrupted is closed, since its state is not known."""
    driver = await driver_of(connection)
    _tell_listeners(connection, sql, arguments)
    try:
        return await driver.fetch(sql, *arguments)
    except REFUSALS as error:
        raise as_sqlalchemy(error, sql) from None
    except BaseException:
        driver.terminate()
        raise


def _tell_listeners(connection: AsyncConnection, sql: str, arguments: Sequence[Any]) -> None:
    """Whoever listens to what SQLAlchemy sends (`before_cursor_execute`) is told of this too."""
    raw: Any = connection.sync_connection
    if raw._has_events:  # noqa: SLF001
        raw.dispatch.before_cursor_execute(raw, None, sql, tuple(arguments), None, False)


class DriverError(Exception):
    """What PostgreSQL said, without the values that its details repeat."""

    def __init__(self, error: Exception) -> None:
        super().__init__(*error.args[:1])
        self.sqlstate: str | None = getattr(error, "sqlstate", None)


def as_sqlalchemy(error: Exception, sql: str) -> DBAPIError:
    """One of `REFUSALS` in the form that the rest of a program knows."""
    kind = IntegrityError if isinstance(error, IntegrityConstraintViolationError) else DBAPIError
    is_lost = not isinstance(error, asyncpg.PostgresError | DataError)
    return kind(sql, None, DriverError(error), hide_parameters=True, connection_invalidated=is_lost)


def _result_processors(compiled: Any) -> dict[str, Convert]:
    """What makes Python's values of the driver's, for the columns that need it."""
    made = {
        entry.keyname: entry.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None)
        for entry in compiled._result_columns  # noqa: SLF001
    }
    return {name: convert for name, convert in made.items() if convert is not None}
