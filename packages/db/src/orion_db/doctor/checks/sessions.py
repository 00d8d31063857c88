"""Sessions: long transactions, and who waits for whom."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from orion_db.doctor.advice import span
from orion_db.doctor.check import Check, Row, each, rows
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.server import Server
from orion_db.observe.figures import one_line

LONG_TRANSACTION = timedelta(minutes=5)
VERY_LONG_TRANSACTION = timedelta(hours=1)
IDLE_IN_TRANSACTION = timedelta(minutes=1)
LONG_WAIT = timedelta(seconds=5)

OTHERS = "the sessions of other logins"

_TRANSACTIONS = """
SELECT
  pid, usename AS login, application_name AS application, state, xact_start AS began_at, state_change AS changed_at,
  left(query, 120) AS query
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND xact_start IS NOT NULL
  AND pid <> pg_backend_pid()
ORDER BY xact_start
"""


def _transaction(row: Row, server: Server) -> Finding | None:
    age = server.now - row["began_at"]
    if row["state"].startswith("idle in transaction") or age < LONG_TRANSACTION:
        return None
    return Finding(
        check="",
        severity=Severity.CRITICAL if age >= VERY_LONG_TRANSACTION else Severity.WARNING,
        object=f"pid {row['pid']}",
        what=f"{_who(row)} has been in a transaction for {span(age)}: {one_line(row['query'] or '')}",
        numbers={"seconds": int(age.total_seconds())},
        fix=(f"SELECT pg_cancel_backend({row['pid']})",),
    )


def _idle(row: Row, server: Server) -> Finding | None:
    idle = server.now - row["changed_at"]
    if not row["state"].startswith("idle in transaction") or idle < IDLE_IN_TRANSACTION:
        return None
    return Finding(
        check="",
        severity=Severity.CRITICAL if idle >= VERY_LONG_TRANSACTION else Severity.WARNING,
        object=f"pid {row['pid']}",
        what=f"{_who(row)} has done nothing in its transaction for {span(idle)}; last: {one_line(row['query'] or '')}",
        numbers={"seconds": int(idle.total_seconds())},
        fix=(f"SELECT pg_terminate_backend({row['pid']})",),
    )


_WAITS = """
SELECT
  a.pid, a.usename AS login, a.application_name AS application, a.state, left(a.query, 120) AS query,
  pg_blocking_pids(a.pid) AS blockers, waits.since, waits.on_table
FROM pg_stat_activity AS a
LEFT JOIN LATERAL (
  SELECT min(l.waitstart) AS since, min(l.relation::regclass::text) AS on_table
  FROM pg_locks AS l WHERE l.pid = a.pid AND NOT l.granted
) AS waits ON true
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
"""


def _waits(found: Sequence[Row], server: Server) -> Iterable[Finding]:
    """One finding for each session at the head of a queue, with everybody who waits for it, directly or not."""
    sessions = {row["pid"]: row for row in found}
    waiting = {pid: row for pid, row in sessions.items() if row["blockers"] and row["since"]}
    blockers = {blocker for row in waiting.values() for blocker in row["blockers"]}
    for head in sorted(blockers - waiting.keys()):
        queue = _queue_behind(head, waiting)
        longest = max((server.now - waiting[pid]["since"] for pid in queue), default=timedelta())
        if longest < LONG_WAIT:
            continue
        row = sessions.get(head)
        who = _who(row) if row else "a session in another database, or a prepared transaction (pid 0)"
        chain = ", ".join(f"{pid} behind {'+'.join(map(str, waiting[pid]['blockers']))}" for pid in queue)
        fix = f"SELECT pg_terminate_backend({head})" if head else "SELECT * FROM pg_prepared_xacts"
        yield Finding(
            check="",
            severity=Severity.WARNING if longest < LONG_TRANSACTION else Severity.CRITICAL,
            object=f"pid {head}",
            table=waiting[queue[0]]["on_table"] or "",
            what=f"{who} keeps {len(queue)} waiting, the first since {span(longest)} ({chain}); "
            f"it is {row['state'] if row else 'unknown'}, last: {one_line(row['query'] or '') if row else ''}",
            numbers={"waiting": len(queue), "seconds": int(longest.total_seconds())},
            fix=(fix,),
        )


def _queue_behind(head: int, waiting: dict[int, Row]) -> list[int]:
    """Who waits for `head`, nearest first."""
    queue: list[int] = []
    reached = {head}
    while True:
        following = [pid for pid, row in sorted(waiting.items()) if pid not in reached and reached & {*row["blockers"]}]
        if not following:
            return queue
        queue += following
        reached |= {*following}


_CONNECTIONS = """
SELECT
  coalesce(state, 'unknown') AS state, coalesce(nullif(application_name, ''), 'no name') AS application,
  count(*) AS count
FROM pg_stat_activity
WHERE backend_type = 'client backend' OR backend_type IS NULL
GROUP BY 1, 2
ORDER BY 3 DESC
"""


def _connections(found: Sequence[Row], server: Server) -> Iterable[Finding]:
    reserved = server.number("superuser_reserved_connections") + server.number("reserved_connections")
    limit = int(server.number("max_connections", 100) - reserved)
    used = sum(row["count"] for row in found)
    if used < limit * 0.75:
        return
    most = ", ".join(f"{row['count']} {row['application']} ({row['state']})" for row in found[:4])
    yield Finding(
        check="",
        severity=Severity.CRITICAL if used >= limit * 0.9 else Severity.WARNING,
        object="max_connections",
        what=f"{used} of {limit} connections are taken: {most}",
        numbers={"used": used, "limit": limit},
        fix=("-- smaller pools (AUTH_DATABASE_POOL_SIZE, …), or a pooler; more connections cost memory and speed",),
    )


def _who(row: Row) -> str:
    return f"pid {row['pid']} ({row['application'] or 'no application name'}, login {row['login']})"


CHECKS = (
    Check(
        id="long-transaction",
        title="Long transaction",
        why="While it runs, no row that died since may be removed, anywhere in the database; its locks stay.",
        todo="Let it finish if it is a backup or a report you know; otherwise cancel it.",
        read=rows(_TRANSACTIONS),
        judge=each(_transaction),
        weight=4,
        sees=OTHERS,
    ),
    Check(
        id="idle-in-transaction",
        title="Session that sleeps in a transaction",
        why="It holds its locks and keeps VACUUM back for nothing; usually a program that forgot to commit.",
        todo="End it, find the program by its application name, and set idle_in_transaction_session_timeout.",
        read=rows(_TRANSACTIONS),
        judge=each(_idle),
        weight=5,
        sees=OTHERS,
    ),
    Check(
        id="lock-waits",
        title="Sessions wait for a lock",
        why="Everybody behind the first in the queue waits too, and connections run out.",
        todo="End the session at the head, if it is not about to finish.",
        read=rows(_WAITS),
        judge=_waits,
        weight=6,
        sees=OTHERS,
    ),
    Check(
        id="connections",
        title="Connections run out",
        why="The next client is refused, and so is whoever comes to help.",
        todo="Find who holds so many, and whether it needs them.",
        read=rows(_CONNECTIONS),
        judge=_connections,
        weight=6,
    ),
)
