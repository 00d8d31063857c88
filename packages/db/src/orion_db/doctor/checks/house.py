"""What every Orion database has: events that wait to be numbered."""

from datetime import timedelta

from orion_db.doctor.advice import span
from orion_db.doctor.check import Check, Row, each, rows
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.server import Server

BACKLOG = timedelta(minutes=1)
"""A running service numbers events as they are committed, within a second."""

_OUTBOX = """
SELECT count(*) AS waiting, min(created_at) AS since
FROM (
  SELECT created_at FROM public.outbox
  WHERE position IS NULL                          -- ix_outbox_unnumbered
  ORDER BY sequence
  LIMIT 10000
) AS unnumbered
"""


def _backlog_query(server: Server) -> str | None:
    return _OUTBOX if "outbox" in server.target.service.metadata.tables else None


def _backlog(row: Row, server: Server) -> Finding | None:
    if not row["waiting"] or server.now - row["since"] < BACKLOG:
        return None
    age = server.now - row["since"]
    return Finding(
        check="",
        severity=Severity.WARNING,
        object="outbox",
        table="outbox",
        what=f"{row['waiting']} events have no position yet, the oldest for {span(age)}: no other service has them",
        numbers={"waiting": row["waiting"], "seconds": int(age.total_seconds())},
        fix=(f"-- orion serve {server.target.service.name}: a running service numbers them by itself",),
    )


CHECKS = (
    Check(
        id="outbox-backlog",
        title="Events that nobody can hear",
        why="Other services read the feed by position: what has none is as if it had not happened.",
        todo="Start the service; if it runs, look for a long transaction that holds the numbering up.",
        read=rows(_backlog_query),
        judge=each(_backlog),
        weight=5,
    ),
)
