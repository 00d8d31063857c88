"""How much is due and still there."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.ids import uuid7_floor, uuid7_time
from orion_core.retention.declarations import Rows
from orion_core.retention.policy import Due


@dataclass(frozen=True)
class Debt:
    """What is due in one table."""

    table: str
    rows: int
    oldest: datetime | None
    """When the oldest of them became due, or in a table of months: was made."""


async def count_due(connection: AsyncConnection, due: Due, now: datetime, *, limit: int | None = None) -> Debt:
    """Count what is due at `now`, up to `limit`; by the index of what is due, as far as there is no other condition.

    A month whose rows others refer to counts as due, although it cannot go yet.
    """
    if isinstance(due.rule, Rows):
        column, condition = due.rule.column, row_condition(due.rule)
        values: dict[str, Any] = {"before": due.before(now)}
    else:
        column, condition, values = "id", "id < :floor", {"floor": month_floor(due.before(now))}
    rows = (
        await connection.execute(text(_COUNT.format(due.table, column, condition)), {**values, "limit": limit})
    ).one()
    return Debt(due.table, rows[0], _moment(rows[1], due))


def row_condition(rule: Rows) -> str:
    """SQL: which rows are due, by `:before`."""
    return f"{rule.column} < :before" + ("" if rule.where == "true" else f" AND ({rule.where})")


def month_condition(due: Due) -> str:
    """SQL: which rows are of months that are over, by `:floor`, and not referred to by any other."""
    free = (
        f"NOT EXISTS (SELECT FROM {table} AS referrer WHERE referrer.{column} = {due.table}.id)"
        for table, column in due.referrers
    )
    return " AND ".join(("id < :floor", *free))


def month_floor(before: datetime) -> UUID:
    """The first id of the month that `before` is in: smaller ones are of months wholly before it."""
    return uuid7_floor(before.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0))


_COUNT = """
SELECT count(*), (SELECT {1} FROM {0} WHERE {2} ORDER BY {1} LIMIT 1)
FROM (SELECT FROM {0} WHERE {2} LIMIT :limit) AS due
"""


def _moment(oldest: Any, due: Due) -> datetime | None:
    if oldest is None or isinstance(due.rule, Rows):
        return None if oldest is None else oldest + due.keep
    try:
        return uuid7_time(oldest)
    except OverflowError:  # an id that is no UUIDv7 may claim a year that Python has no date for
        return None
