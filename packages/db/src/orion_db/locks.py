"""One migration of a database at a time, and who is in the way when somebody is.

The lock is an advisory one, polled on an autocommit connection of its own: waiting inside a blocking
pg_advisory_lock() would hold a snapshot that CREATE INDEX CONCURRENTLY waits for, and taken on the migrating connection
it would stand in the way of steps outside a transaction. It goes when its connection goes, so a killed deploy
leaves nothing behind.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.connections import login_connection
from orion_db.errors import Exit, Problem
from orion_db.observe.figures import one_line
from orion_db.progress import Progress, Step
from orion_db.targets import Target

LOCK_KEY = int.from_bytes(b"oriondb")
"""The advisory lock's key, the same in every database: advisory locks are per database."""

STEP_LOCK_KEY = LOCK_KEY + 1
"""Held by a session for the time of a step outside of a transaction: after a crash, nobody goes on beside a step that
is still running on the server."""

WAIT_SECONDS = 300.0
"""How long a deploy waits for another one, by default."""

_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Holder:
    """A session that holds what we wait for."""

    pid: int
    login: str
    application: str
    since: datetime | None
    query: str

    def __str__(self) -> str:
        since = f" since {self.since:%Y-%m-%d %H:%M:%S %Z}" if self.since else ""
        who = f"pid {self.pid} ({self.application or 'no application name'}, login {self.login}){since}"
        return f"{who}: {one_line(self.query)}"


_HOLDERS = text("""
SELECT pid, usename, application_name, coalesce(xact_start, query_start, backend_start), left(query, 200)
FROM pg_stat_activity WHERE pid IN (
  SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32) | objid::bigint = :key)
""")


@asynccontextmanager
async def exclusive(
    target: Target, purpose: str, progress: Progress, wait_seconds: float = WAIT_SECONDS
) -> AsyncGenerator[AsyncConnection]:
    """Hold the migration lock of the target's database; the connection that holds it is given.

    It is the login's own: the owner role may neither read nor cancel what sessions of the login do.

    Raises Problem `locked`, naming the holder, when it cannot be had within `wait_seconds`.
    """
    async with login_connection(target, f"{purpose} (lock)", autocommit=True) as connection:
        await acquire(connection, target, progress, wait_seconds, doing=f"migration of {target.database!r}")
        yield connection  # closing the connection gives the lock back


async def acquire(
    connection: AsyncConnection,
    target: Target,
    progress: Progress,
    wait_seconds: float = WAIT_SECONDS,
    *,
    doing: str,
    key: int = LOCK_KEY,
) -> None:
    """Take the lock of the connection's database for as long as the connection lives; it must be an autocommit one.

    Raises Problem `locked`, naming the holder, when it cannot be had within `wait_seconds`.
    """
    deadline = asyncio.get_running_loop().time() + wait_seconds
    told = False
    while not (await connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key})).scalar_one():
        holder = await lock_holder(connection, key)
        if asyncio.get_running_loop().time() >= deadline:
            raise Problem(
                "locked",
                Exit.LOCKED,
                f"{target.service.name}: another {doing} is running.",
                f"The lock is held by {holder or 'a session that has just ended'}.",
                "Wait for it and repeat, or end it: SELECT pg_terminate_backend("
                + (f"{holder.pid}" if holder else "pid")
                + ").",
            )
        if holder and not told:
            progress(Step(target.service.name, f"waiting for {holder}", "waiting"))
            told = True
        await asyncio.sleep(_POLL_SECONDS)


async def lock_holder(connection: AsyncConnection, key: int = LOCK_KEY) -> Holder | None:
    """Who holds the migration lock (or another advisory lock) of the connection's database."""
    row = (await connection.execute(_HOLDERS, {"key": key})).first()
    return Holder(*row) if row else None
