"""Counting what has become of messages, and telling it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from orion_core.database import Database
from orion_core.errors import invalid_field
from orion_notifications.numbers import store
from orion_notifications.numbers.rules import LONGEST, UNSAID, Grain, Span, due, floor, moments
from orion_notifications.numbers.shapes import GroupShape, LineShape, NumbersAnswer, NumbersShape, PointShape

COLUMNS = {"channel": "channel", "provider": "provider", "template": "template_id", "category": "category"}
"""What numbers are told apart by, and the column of it."""
MOST_POINTS = 50_000

Line = dict[datetime, RowMapping]


async def count(database: Database) -> bool:
    """Count what has happened since the last time; whether there is more. Whoever comes while another counts leaves.

    Quarters that were open are counted anew, so nothing is counted twice, whoever was killed in between.
    """
    async with database.transaction() as transaction:
        held = await store.hold(transaction.connection)
        if held is None:
            return False
        counted_until, now = held
        span = due(counted_until, now)
        await store.count(transaction.connection, span)
        return span.ends_at < now


async def read(
    database: Database, begins_at: datetime | None, ends_at: datetime, grain: Grain, by: str
) -> NumbersAnswer:
    """The numbers of a range of time. 422 when it is too long, is none, or when too much would be told apart."""
    columns = _columns(by)
    span = _span(begins_at, ends_at, grain)
    async with database.autocommit() as connection:
        rows = await store.series(connection, span, grain.name.lower(), columns)
        counted_until = await store.counted_until(connection)
    lines: dict[tuple[Any, ...], Line] = defaultdict(dict)
    for row in rows:
        lines[tuple(row[name] for name in columns)][row["at"]] = row
    points = moments(span, grain)
    if len(lines) * len(points) > MOST_POINTS:
        detail = (
            f"{len(lines)} groups of {len(points)} points are too many: ask for less time, a day's grain, or fewer."
        )
        raise invalid_field("by", "too_many_points", detail)
    told = [_line(GroupShape(**dict(zip(columns, key, strict=True))), line, points) for key, line in lines.items()]
    return NumbersAnswer(
        begins_at=span.begins_at,
        ends_at=span.ends_at,
        grain="hour" if grain is Grain.HOUR else "day",
        counted_until=counted_until,
        totals=NumbersShape.of(rows),
        lines=sorted(told, key=lambda line: -line.totals.accepted - line.totals.sent),
    )


def _columns(by: str) -> list[str]:
    names = by.split(",") if by else []
    if len(set(names)) != len(names) or not set(names) <= set(COLUMNS):
        detail = f"Name some of {', '.join(COLUMNS)}, each once, with commas between."
        raise invalid_field("by", "unknown_group", detail)
    return [COLUMNS[name] for name in names]


def _span(begins_at: datetime | None, ends_at: datetime, grain: Grain) -> Span:
    begins_at = ends_at - UNSAID[grain] if begins_at is None else begins_at
    if begins_at >= ends_at:
        raise invalid_field("from", "empty_range", "`from` lies before `to`.")
    span = Span(floor(begins_at, grain.value), ends_at)
    if span.ends_at - begins_at > LONGEST[grain]:
        detail = f"At most {LONGEST[grain].days} days are told by the {grain.name.lower()}."
        raise invalid_field("from", "range_too_long", detail)
    return span


def _line(group: GroupShape, line: Line, points: Sequence[datetime]) -> LineShape:
    told = [PointShape.of([line[at]] if at in line else [], at=at) for at in points]
    return LineShape(group=group, totals=NumbersShape.of(list(line.values())), points=told)
