"""Access to one service's PostgreSQL: an engine whose every connection acts as the least-privilege role.

A round trip costs more than most statements, so the pool sends no reset, a single statement runs in autocommit, and
several share one explicit transaction.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})


@dataclass
class Transaction:
    """One open transaction: its connection, and what to do once it is durable."""

    connection: AsyncConnection
    _after_commit: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` after the commit; never after a rollback. It must not fail and not block."""
        if callback not in self._after_commit:
            self._after_commit.append(callback)

    def committed(self) -> None:
        """Run the callbacks; called by `Database.transaction`."""
        for callback in self._after_commit:
            callback()


class Database:
    """A pool of connections to one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")

    @classmethod
    def connect(cls, url: str, *, role: str | None, application: str, pool_size: int = 10) -> Self:
        """A pool for `url` whose connections act as `role`. Connects when first used.

        `application` is shown in pg_stat_activity. The timeouts end what a crashed or stuck caller left open.
        """
        location, options = asyncpg_arguments(url)
        settings = {
            "application_name": application,
            "timezone": "UTC",
            "statement_timeout": "30s",
            "idle_in_transaction_session_timeout": "30s",
        }
        if role is not None:
            settings["role"] = role
        engine = create_async_engine(
            location,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_reset_on_return=None,
            connect_args={**options, "server_settings": settings, "timeout": 10},
        )
        return cls(engine)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """Several statements, committed together at the end of the block, or not at all when it raises."""
        async with self._engine.connect() as connection:
            transaction = Transaction(connection)
            async with connection.begin():
                yield transaction
        transaction.committed()

    @asynccontextmanager
    async def autocommit(self) -> AsyncGenerator[AsyncConnection]:
        """A connection on which each statement is its own transaction: reads, and writes of one statement."""
        async with self._autocommit.connect() as connection:
            yield connection

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


def asyncpg_arguments(url: str) -> tuple[URL, dict[str, Any]]:
    """Turn a `postgresql://` URL, as libpq and Prisma write it, into SQLAlchemy's form and arguments for asyncpg.

    Understood in the query: `host` (a socket directory), `sslmode`, `application_name`. Prisma's own parameters
    (`schema`, `connection_limit`, …) tell a client how to behave, not where the database is, and are left out.
    """
    parsed = make_url(url)
    options: dict[str, Any] = {}
    if socket := parsed.query.get("host"):
        options["host"] = socket
    if mode := parsed.query.get("sslmode"):
        if mode not in SSL_MODES:
            raise ValueError(f"sslmode must be one of {', '.join(sorted(SSL_MODES))}")
        options["ssl"] = mode
    return parsed.set(drivername="postgresql+asyncpg", query={}), options
