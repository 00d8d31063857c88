"""What goes on in a database just now: rates between two looks, who waits for whom, and where the work goes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from orion_db.connections import login_connection
from orion_db.observe.figures import bar, share, short, size, sparkline, table
from orion_db.observe.sample import Sample, SessionSeen, take_sample
from orion_db.observe.statements import counting_connection
from orion_db.result import Result
from orion_db.targets import Target

SHOWN = 8
COURSE = 60
"""Looks that a sparkline goes back."""


@dataclass(frozen=True)
class Rates:
    """A second's worth, between two looks."""

    commits: float
    rollbacks: float
    rows_read: float
    rows_written: float
    blocks_read: float
    cache_hit: float | None
    """Share of the blocks asked for that were in shared buffers; None when none was."""
    temporary_bytes: float
    wal_bytes: float
    """Of the whole server."""


@dataclass(frozen=True)
class BusyTable:
    """What was done to a table between two looks, a second."""

    name: str
    rows_read: float
    rows_written: float
    sequential_scans: float


@dataclass(frozen=True)
class BusyStatement:
    """A statement that ran between two looks."""

    sql: str
    calls: float
    """A second."""
    mean_ms: float
    load: float
    """Of one core's time, from 0: 2.0 is two sessions running it all the time."""


@dataclass(frozen=True)
class Top(Result):
    """One picture of it."""

    database: str
    seconds: float
    """Between the two looks."""
    connections: int
    most_connections: int
    rates: Rates
    sessions: tuple[SessionSeen, ...]
    tables: tuple[BusyTable, ...]
    statements: tuple[BusyStatement, ...] | None
    """None: nobody counts them."""
    course: tuple[Rates, ...]
    """Rates of the last looks, the latest at the end."""

    def in_words(self) -> list[str]:
        busy = f"{len(self.sessions)} busy of {self.connections} connections"
        return [
            f"{self.database}, {busy} (most {self.most_connections})",
            *self._rates(),
            "",
            *(self._sessions() or ["no session is busy"]),
            "",
            *(self._tables() or ["no table was touched"]),
            *self._statements(),
        ]

    def _rates(self) -> list[str]:
        now, course = self.rates, self.course
        hit = "–" if now.cache_hit is None else f"{now.cache_hit:.1%}"
        return table(
            ("a second", "now", "<"),
            (
                ("transactions", short(now.commits), sparkline([each.commits for each in course])),
                ("rolled back", short(now.rollbacks), sparkline([each.rollbacks for each in course])),
                ("rows read", short(now.rows_read), sparkline([each.rows_read for each in course])),
                ("rows written", short(now.rows_written), sparkline([each.rows_written for each in course])),
                ("blocks read", short(now.blocks_read), sparkline([each.blocks_read for each in course])),
                ("cache hit", hit, sparkline([each.cache_hit or 0.0 for each in course])),
                ("temporary files", size(now.temporary_bytes), sparkline([each.temporary_bytes for each in course])),
                ("WAL of the server", size(now.wal_bytes), sparkline([each.wal_bytes for each in course])),
            ),
        )

    def _sessions(self) -> list[str]:
        blocking = {pid for session in self.sessions for pid in session.blocked_by}
        return table(
            ("pid", "<login", "<state", "transaction", "<waits for", "<", "<statement"),
            (
                (
                    str(session.pid),
                    session.login,
                    session.state,
                    f"{session.transaction_seconds:,.1f} s",
                    session.waits_for or "",
                    _locks(session, blocking),
                    session.sql[:70],
                )
                for session in self.sessions[:20]
            ),
        )

    def _tables(self) -> list[str]:
        most = max((entry.rows_read + entry.rows_written for entry in self.tables), default=0)
        return table(
            ("table, a second", "<", "rows read", "written", "sequential scans"),
            (
                (
                    entry.name,
                    bar(entry.rows_read + entry.rows_written, most, 8),
                    short(entry.rows_read),
                    short(entry.rows_written),
                    short(entry.sequential_scans),
                )
                for entry in self.tables
            ),
        )

    def _statements(self) -> list[str]:
        if not self.statements:
            return []
        return [
            "",
            *table(
                ("statement", "a second", "mean ms", "load"),
                (
                    (entry.sql[:90], short(entry.calls), f"{entry.mean_ms:,.2f}", share(entry.load, 1))
                    for entry in self.statements
                ),
            ),
        ]


def _locks(session: SessionSeen, blocking: set[int]) -> str:
    if session.blocked_by:
        return "blocked by " + ", ".join(map(str, session.blocked_by))
    return "blocks others" if session.pid in blocking else ""


async def watch(target: Target, interval: float) -> AsyncGenerator[Top]:
    """A picture each `interval` seconds, for ever. Close it (`aclosing`), and its connections end."""
    async with _looking(target) as look:
        before, course = await look(), ()
        while True:
            await asyncio.sleep(interval)
            after = await look()
            picture = compare(target, before, after, course)
            yield picture
            before, course = after, picture.course


async def look_once(target: Target, interval: float) -> Top:
    """One picture, of the next `interval` seconds."""
    async with _looking(target) as look:
        before = await look()
        await asyncio.sleep(interval)
        return compare(target, before, await look())


@asynccontextmanager
async def _looking(target: Target) -> AsyncGenerator[Callable[[], Awaitable[Sample]]]:
    """Connections are opened once: opening them anew at each look would be most of what is then seen."""
    async with (
        login_connection(target, "top", autocommit=True) as connection,
        counting_connection(target) as counting,
    ):

        async def look() -> Sample:
            return await take_sample(target, connection, counting)

        yield look


def compare(target: Target, before: Sample, after: Sample, course: Sequence[Rates] = ()) -> Top:
    """What happened between two looks. Counters that went back were reset meanwhile, and count from nothing."""
    seconds = max(after.taken - before.taken, 1e-3)
    rates = _rates(before, after, seconds)
    return Top(
        service=target.service.name,
        database=target.database,
        seconds=seconds,
        connections=after.connections,
        most_connections=after.most_connections,
        rates=rates,
        sessions=after.sessions,
        tables=tuple(_busy_tables(before, after, seconds)),
        statements=_busy_statements(before, after, seconds),
        course=(*course, rates)[-COURSE:],
    )


def _rates(before: Sample, after: Sample, seconds: float) -> Rates:
    then, now = before.counters, after.counters
    hit, read = _more(then.blocks_hit, now.blocks_hit), _more(then.blocks_read, now.blocks_read)
    return Rates(
        commits=_more(then.commits, now.commits) / seconds,
        rollbacks=_more(then.rollbacks, now.rollbacks) / seconds,
        rows_read=_more(then.rows_returned, now.rows_returned) / seconds,
        rows_written=_more(then.rows_written, now.rows_written) / seconds,
        blocks_read=read / seconds,
        cache_hit=hit / (hit + read) if hit + read else None,
        temporary_bytes=_more(then.temporary_bytes, now.temporary_bytes) / seconds,
        wal_bytes=_more(then.wal_bytes, now.wal_bytes) / seconds,
    )


def _busy_tables(before: Sample, after: Sample, seconds: float) -> list[BusyTable]:
    then = {entry.name: entry for entry in before.tables}
    busy: list[BusyTable] = []
    for entry in after.tables:
        earlier = then.get(entry.name)
        busy.append(
            BusyTable(
                entry.name,
                _more(earlier.rows_read if earlier else 0, entry.rows_read) / seconds,
                _more(earlier.rows_written if earlier else 0, entry.rows_written) / seconds,
                _more(earlier.sequential_scans if earlier else 0, entry.sequential_scans) / seconds,
            )
        )
    busy.sort(key=lambda entry: (-(entry.rows_read + entry.rows_written), entry.name))
    return [entry for entry in busy if entry.rows_read or entry.rows_written or entry.sequential_scans][:SHOWN]


def _busy_statements(before: Sample, after: Sample, seconds: float) -> tuple[BusyStatement, ...] | None:
    if after.statements is None:
        return None
    then = {entry.id: entry for entry in before.statements or ()}
    busy: list[BusyStatement] = []
    for entry in after.statements:
        earlier = then.get(entry.id)
        calls = _more(earlier.calls if earlier else 0, entry.calls)
        spent = _more(earlier.total_ms if earlier else 0.0, entry.total_ms)
        if calls:
            busy.append(BusyStatement(entry.sql, calls / seconds, spent / calls, spent / 1000 / seconds))
    return tuple(sorted(busy, key=lambda entry: -entry.load)[:SHOWN])


def _more(then: float, now: float) -> float:
    return now - then if now >= then else now
