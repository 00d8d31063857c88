"""A plan in words."""

import textwrap
from typing import TYPE_CHECKING

from orion_db.deployment.index_statements import without_comments
from orion_db.plan.live import TableSize

if TYPE_CHECKING:
    from orion_db.plan.plan import PlannedRevision, PlannedStatement

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def revision_lines(revision: "PlannedRevision") -> list[str]:
    """One line for a fact, indented under the revision's name."""
    reasons = f" ({'; '.join(revision.reasons)})" if revision.reasons else ""
    lines = [f"{revision.name}: {revision.purpose}", f"  phase {revision.phase}, risk {revision.risk}{reasons}"]
    lines += [f"  half done: these are left; steps committed: {revision.done}"] if revision.done else []
    for statement in revision.statements:
        lines += _statement_lines(statement)
    if revision.breaks:
        lines += [f"  running code loses: {entry}" for entry in revision.breaks]
    else:
        lines.append("  running code goes on")
    lines += [f"  a rollback loses {what}" for what in revision.rollback_loses]
    lines += [f"  found {entry.severity} {entry.rule}: {entry.what}" for entry in revision.findings]
    return lines + [f"  accepted {entry.rule}: {entry.accepted}" for entry in revision.accepted]


def size_words(size: TableSize) -> str:
    """`goods: about 1,000,000 rows, 120 MB with indexes`."""
    return f"{size.table}: about {size.rows:,} rows, {_bytes(size.total_bytes)} with indexes"


def _statement_lines(statement: "PlannedStatement") -> list[str]:
    first, *rest = without_comments(statement.sql).splitlines() or [""]
    lines = [f"  {statement.step} {statement.kind}: {first}"]
    lines += [f"    {line}" for line in textwrap.dedent("\n".join(rest)).splitlines()]
    lines += [f"      {lock.mode} on {lock.table}: blocks {lock.blocks}" for lock in statement.locks]
    lines += [f"      still holds {lock.mode} on {lock.table}: blocks {lock.blocks}" for lock in statement.still_held]
    lines += [f"      writes every row of {table} anew" for table in statement.rewrites]
    lines += [f"      reads all of {table}" for table in statement.scans if table not in statement.rewrites]
    if statement.rows is not None:
        lines.append(f"      changes about {statement.rows:,} rows")
    if statement.locks or statement.still_held or statement.scans or statement.rewrites:
        lines.append(f"      takes {statement.lasts or 'a time that is not known, as its table is shut'}")
    return lines


def _bytes(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} {_UNITS[-1]}"
