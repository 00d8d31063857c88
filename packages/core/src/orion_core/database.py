"""Access to one service's PostgreSQL: an engine whose every connection acts as the least-privilege role.

A round trip costs more than most statements, so the pool sends no reset, a single statement runs in autocommit, and
several share one explicit transaction. What a session keeps beyond a transaction would therefore be found by the next
user of its connection: settings are made with SET LOCAL, advisory locks with pg_advisory_xact_lock. A connection whose
statement was interrupted is closed, not kept.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

import asyncpg
from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from orion_core.statement import REFUSALS, Statement, Values, as_sqlalchemy, driver_of, execute_together

SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})

TLS_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "sslpassword")
"""What libpq calls the certificates and keys of a TLS connection."""


@dataclass
class Transaction:
    """One open transaction: its connection, and what to do once it is durable."""

    connection: AsyncConnection
    _later: list[tuple[Statement, Values]] = field(default_factory=list[tuple[Statement, Values]])
    _after_commit: list[Callable[[], object]] = field(default_factory=list[Callable[[], object]])

    def later(self, statement: Statement, values: Values) -> None:
        """Write this before the commit, in one round trip with everything else that is written later.

        For what nothing in the transaction reads again. The order between two statements is not kept; the same one is
        executed in the order in which it was asked for.
        """
        self._later.append((statement, values))

    async def write_later(self) -> None:
        """Do what was put off; called by `Database.transaction`."""
        while self._later:
            together = dict[Statement, Values]()
            left = list[tuple[Statement, Values]]()
            for statement, values in self._later:
                if statement in together:
                    left.append((statement, values))
                else:
                    together[statement] = values
            self._later = left
            await execute_together(self.connection, list(together.items()))

    def after_commit(self, callback: Callable[[], object]) -> None:
        """Call `callback` after the commit; never after a rollback. It must not fail and not block."""
        if callback not in self._after_commit:
            self._after_commit.append(callback)

    def committed(self) -> None:
        """Run the callbacks; called by `Database.transaction`."""
        for callback in self._after_commit:
            callback()


ANSWER_SECONDS = 40
"""How long a server may be silent: longer than its own limit on a statement, so only one that is gone is given up."""


class DatabaseUnreachableError(ConnectionError):
    """No connection could be made: the server is away, its name is unknown, its socket is missing."""


class Database:
    """A pool of connections to one database."""

    def __init__(self, engine: AsyncEngine, *, may_keep: bool = False) -> None:
        self._engine = engine
        self._may_keep = may_keep
        self._kept: AsyncConnection | None = None

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
            pool_timeout=10,
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
        return cls(engine, may_keep=pool_size > 1)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """Several statements, committed together at the end of the block, or not at all when it raises."""
        async with _connection(self._engine) as connection:
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
    async def autocommit(self) -> AsyncGenerator[AsyncConnection]:
        """A connection on which each statement is its own transaction: reads, and writes of one statement."""
        async with _connection(self._engine) as connection:
            yield connection

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator[AsyncConnection]:
        """As `autocommit`, on a connection that is kept back from the pool for this: taking one takes long.

        For what is asked all the time, one after the other. Who comes while it is in use gets one of the pool. A pool
        of one keeps nothing back.
        """
        connection, self._kept = self._kept, None
        if connection is None or (await driver_of(connection)).is_closed():
            await _give_back(connection)
            connection = await _connected(self._engine)
        try:
            yield connection
        finally:
            if self._kept is None and self._may_keep:
                self._kept = connection
            else:
                await _give_back(connection)

    async def close(self) -> None:
        """Close every connection."""
        await _give_back(self._kept)
        self._kept = None
        await self._engine.dispose()


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


@asynccontextmanager
async def _connection(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    async with AsyncExitStack() as stack:
        connection = await _connected(engine)
        stack.push_async_exit(connection)
        yield connection


async def _connected(engine: AsyncEngine) -> AsyncConnection:
    try:
        return await engine.connect().start()
    except OSError as error:
        raise DatabaseUnreachableError(f"the database cannot be reached ({type(error).__name__})") from error


async def _give_back(connection: AsyncConnection | None) -> None:
    if connection is not None:
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
