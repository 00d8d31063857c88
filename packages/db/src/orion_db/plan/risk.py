"""How long a statement lasts on tables of a size, and how much of a risk that is."""

from enum import StrEnum

from orion_db.plan.live import Live
from orion_db.recorder import TracedStatement

# Cautious rates of one busy cloud disk, to tell a second from an hour. They are not a promise.
SCAN_BYTES_A_SECOND = 200_000_000
REWRITE_BYTES_A_SECOND = 40_000_000
INDEX_BYTES_A_SECOND = 30_000_000
CHANGED_ROWS_A_SECOND = 20_000

_FELT_SECONDS = 0.5
_LONG_SECONDS = 5.0


class Risk(StrEnum):
    """How much a deploy should be looked at before."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Lasts(StrEnum):
    """How long, by order of magnitude."""

    MOMENT = "less than a second"
    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"


def expected_seconds(statement: TracedStatement, rows: int | None, live: Live) -> float | None:
    """From sizes and cautious rates; None when the size of a table that it reads or writes is not known."""
    if set(live.unknown) & {*statement.scans, *statement.rewrites}:
        return None
    seconds = (rows or 0) / CHANGED_ROWS_A_SECOND
    for table in statement.rewrites:
        seconds += live.sizes[table].total_bytes / REWRITE_BYTES_A_SECOND if table in live.sizes else 0
    rate = INDEX_BYTES_A_SECOND if statement.kind == "concurrent index" else SCAN_BYTES_A_SECOND
    for table in set(statement.scans) - set(statement.rewrites):
        seconds += live.sizes[table].table_bytes / rate if table in live.sizes else 0
    return seconds


def lasts(seconds: float | None) -> Lasts | None:
    """The order of magnitude; None when it is not known."""
    if seconds is None:
        return None
    if seconds < 1:
        return Lasts.MOMENT
    if seconds < 60:
        return Lasts.SECONDS
    return Lasts.MINUTES if seconds < 3600 else Lasts.HOURS


def statement_risk(statement: TracedStatement, seconds: float | None, *, is_data: bool) -> tuple[Risk, str]:
    """How risky, and why; "" of a low one."""
    shut = [lock for lock in statement.held if lock.blocks_writes]
    what = "keeps reads and writes out of" if any(lock.blocks_reads for lock in shut) else "keeps writes out of"
    tables = ", ".join(lock.table for lock in shut)
    if shut and seconds is None:
        return Risk.HIGH, f"{what} {tables} for a time that is not known"
    if shut and seconds is not None and seconds >= _FELT_SECONDS:
        risk = Risk.HIGH if seconds >= _LONG_SECONDS else Risk.MEDIUM
        return risk, f"{what} {tables} for about {max(round(seconds), 1)} s"
    if is_data and statement.kind != "backfill" and (seconds is None or seconds >= _FELT_SECONDS):
        return Risk.MEDIUM, "changes many rows in one transaction"
    return Risk.LOW, ""
