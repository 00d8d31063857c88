"""Access to one service's PostgreSQL: an engine whose every connection acts as the least-privilege role.

A round trip costs more than most statements, so the pool sends no reset, a single statement runs in autocommit, and
several share one explicit transaction. What a session keeps beyond a transaction would therefore be found by the next
user of its connection: settings are made with SET LOCAL, advisory locks with pg_advisory_xact_lock. A connection whose
statement was interrupted is closed, not kept.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlencode

import asyncpg
from sqlalchemy import URL, event, make_url, text
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from orion_core.database_faults import READ_ONLY, sqlstate
from orion_core.statement import REFUSALS, Statement, Values, as_sqlalchemy, driver_of, execute_together

SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})

TLS_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "sslpassword")
"""What libpq calls the certificates and keys of a TLS connection."""


@dataclass
class Writes:
    """What is to be written together, and what to do once it is durable."""

    _later: list[tuple[Statement, Values]] = field(default_factory=list[tuple[Statement, Values]], init=False)
    _after_commit: list[Callable[[], object]] = field(default_factory=list[Callable[[], object]], init=False)

    def later(self, statement: Statement, values: Values) -> None:
        """Write this before the commit, in one round trip with everything else that is written later.

        For what nothing in the transaction reads again. The order between two statements is not kept; the same one is
        executed in the order in which it was asked for.
        """
        self._later.append((statement, values))

    def after_commit(self, callback: Callable[[], object]) -> None:
        """Call `callback` after the commit; never after a rollback. It must not fail and not block."""
        if callback not in self._after_commit:
            self._after_commit.append(callback)

    def rounds(self) -> list[dict[Statement, Values]]:
        """What was put off, in as few round trips as can be: no statement twice in one. Nothing is put off any more."""
        rounds = list[dict[Statement, Values]]()
        for statement, values in self._later:
            free = next((each for each in rounds if statement not in each), None)
            if free is None:
                rounds.append(free := {})
            free[statement] = values
        self._later = []
        return rounds

    def committed(self) -> None:
        """Run the callbacks; called by `Database`."""
        for callback in self._after_commit:
            callback()


@dataclass
class Transaction(Writes):
    """One open transaction."""

    connection: AsyncConnection

    async def write_later(self) -> None:
        """Do what was put off; called by `Database.transaction`."""
        await _write(self.connection, self.rounds())


ANSWER_SECONDS = 40
"""How long a server may be silent: longer than its own limit on a statement, so only one that is gone is given up."""


POOL_SECONDS = 10
"""How long anybody waits for a connection that others use."""


class DatabaseUnreachableError(ConnectionError):
    """No connection could be made: the server is away, its name is unknown, its socket is missing."""


class Database:
    """A pool of connections to one database.

    SQLAlchemy makes them and gets them back when anything was the matter with them. Those that are as they were are
    kept here for the next: to give one back and take it again is more work than most statements.
    """

    def __init__(self, engine: AsyncEngine, pool_size: int) -> None:
        self._engine = engine
        self._free = asyncio.Semaphore(pool_size)
        self._idle: list[AsyncConnection] = []

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        role: str | None,
        application: str,
        pool_size: int = 10,
        server_settings: Mapping[str, str] | None = None,
    ) -> Self:
        """A pool for `url` whose connections act as `role`. Connects when first used.

        `application` is shown in pg_stat_activity. The timeouts end what a stuck caller left open, and the
        check ends the statement of one that is gone, with its locks. Errors do not carry the values of statements,
        which may be secrets, into logs.
        """
        location, options = asyncpg_arguments(url)
        settings = {
            "application_name": application,
            "timezone": "UTC",
            "statement_timeout": "30s",
            "idle_in_transaction_session_timeout": "30s",
            "client_connection_check_interval": "2s",
            **(server_settings or {}),
        }
        if role is not None:
            settings["role"] = role
        engine = create_async_engine(
            location,
            pool_size=pool_size,
            max_overflow=0,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",  # `transaction` begins and commits by itself
            hide_parameters=True,
            connect_args={
                **options,
                "server_settings": settings,
                "timeout": 10,
                "command_timeout": ANSWER_SECONDS,
                # However long a statement is: the driver would have those of more than 15 kB prepared anew each time.
                "max_cacheable_statement_size": 0,
            },
        )
        event.listen(engine.sync_engine, "checkout", _refuse_closed)
        return cls(engine, pool_size)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """Several statements, committed together at the end of the block, or not at all when it raises."""
        async with self._connection() as connection:
            driver = await driver_of(connection)
            transaction = Transaction(connection)
            try:
                await _send(driver, "BEGIN")
                yield transaction
                await transaction.write_later()
                await _send(driver, "COMMIT")
            except BaseException as error:
                await _undo(driver, error)
                raise
            transaction.committed()

    @asynccontextmanager
    async def writes(self) -> AsyncGenerator[Writes]:
        """As `transaction`, for a block that reads nothing: it takes one round trip, where that takes three or more."""
        writes = Writes()
        yield writes
        rounds = writes.rounds()
        if len(rounds) == 1:
            async with self.autocommit() as connection:
                await _write(connection, rounds)
        elif rounds:
            async with self.transaction() as transaction:
                await _write(transaction.connection, rounds)
        writes.committed()

    @asynccontextmanager
    async def autocommit(self) -> AsyncGenerator[AsyncConnection]:
        """A connection on which each statement is its own transaction: reads, and writes of one statement."""
        async with self._connection() as connection:
            yield connection

    async def now(self) -> datetime:
        """The time by the database's clock, which all processes share: one of ours may be wrong."""
        async with self.autocommit() as connection:
            return (await connection.execute(text("SELECT now()"))).scalar_one()

    async def is_read_only(self) -> bool:
        """Whether it takes no changes at present: it is a standby, or was set so.

        Sessions that are idle then are closed.
        """
        async with self.autocommit() as connection:
            if (await connection.execute(text("SHOW transaction_read_only"))).scalar_one() == "off":
                return False
            await self._forget_sessions(connection)
            return True

    async def close(self) -> None:
        """Close every connection."""
        while self._idle:
            await _give_back(self._idle.pop())
        await self._engine.dispose()

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[AsyncConnection]:
        await self._wait_for_one()
        try:
            connection = await self._take()
            try:
                yield connection
            except BaseException as error:
                if sqlstate(error) == READ_ONLY:
                    await self._forget_sessions(connection)
                await _give_back(connection)
                raise
            # SQLAlchemy's own executions leave a transaction of its own open, in which nothing has happened.
            if connection.in_transaction() or connection.invalidated or (await driver_of(connection)).is_closed():
                await _give_back(connection)
            else:
                self._idle.append(connection)
        finally:
            self._free.release()

    async def _wait_for_one(self) -> None:
        try:
            async with asyncio.timeout(POOL_SECONDS if self._free.locked() else None):
                await self._free.acquire()
        except TimeoutError:
            raise PoolTimeoutError(f"no connection became free in {POOL_SECONDS} s") from None

    async def _forget_sessions(self, connection: AsyncConnection) -> None:
        """Close what was found read-only and what lies idle: such a session stays so when new ones may write again."""
        for each in [connection, *self._idle]:
            (await driver_of(each)).terminate()

    async def _take(self) -> AsyncConnection:
        while self._idle:
            connection = self._idle.pop()
            if not (await driver_of(connection)).is_closed():
                return connection
            await _give_back(connection)
        return await _connected(self._engine)


async def _write(connection: AsyncConnection, rounds: Sequence[Mapping[Statement, Values]]) -> None:
    for together in rounds:
        await execute_together(connection, list(together.items()))


async def _send(driver: asyncpg.Connection, command: str) -> None:
    try:
        await driver.execute(command)
    except REFUSALS as error:
        raise as_sqlalchemy(error, command) from None


async def _undo(driver: asyncpg.Connection, error: BaseException) -> None:
    """Roll back. Where it was interrupted rather than failed nobody waits for that: the connection is closed."""
    if not isinstance(error, Exception):
        driver.terminate()
    elif not driver.is_closed():
        try:
            await driver.execute("ROLLBACK")
        except REFUSALS:  # the server rolls back what it can no longer be told of
            driver.terminate()
        except BaseException:
            driver.terminate()
            raise


def _refuse_closed(connection: Any, *_: object) -> None:
    """Have the pool replace a connection that its server has closed meanwhile; the driver knows without asking."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


async def _connected(engine: AsyncEngine) -> AsyncConnection:
    try:
        return await engine.connect().start()
    except OSError as error:
        raise DatabaseUnreachableError(f"the database cannot be reached ({type(error).__name__})") from error


async def _give_back(connection: AsyncConnection) -> None:
    await connection.__aexit__(None, None, None)  # which ends although we may be cancelled


def asyncpg_arguments(url: str) -> tuple[URL, dict[str, Any]]:
    """Turn a `postgresql://` URL, as libpq and Prisma write it, into SQLAlchemy's form and arguments for asyncpg.

    Understood in the query: `host` (a socket directory), `sslmode` and the files that belong to it. Prisma's own
    parameters (`schema`, `connection_limit`, …) tell a client how to behave, not where the database is, and are left
    out. Raises ValueError, without the URL in it, for what is no such URL.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError("it is no URL of the form postgresql://user:password@host:port/database") from None
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise ValueError("it must begin with postgresql://")
    query = {name: value if isinstance(value, str) else value[-1] for name, value in parsed.query.items()}
    options: dict[str, Any] = {}
    if socket := query.get("host"):
        options["host"] = socket
    if mode := query.get("sslmode"):
        if mode not in SSL_MODES:
            raise ValueError(f"sslmode must be one of {', '.join(sorted(SSL_MODES))}")
        options["ssl"] = mode
    if files := {name: query[name] for name in TLS_FILES if name in query}:
        options["dsn"] = f"postgresql://?{urlencode(files)}"  # asyncpg reads these from there only
    return parsed.set(drivername="postgresql+asyncpg", query={}), options
