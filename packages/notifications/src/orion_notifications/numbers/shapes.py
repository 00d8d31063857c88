"""Bodies of the route of numbers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field

from orion_core.http.shapes import ResponseShape
from orion_notifications.labels import CategoryLabel, ChannelLabel
from orion_notifications.numbers.rules import COUNTS, percentile

GrainLabel = Literal["hour", "day"]
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class LatencyShape(ResponseShape):
    """Seconds from accepted to sent, of messages that were to go at once: within them left 50, 95 and 99 of 100."""

    p50: float
    p95: float
    p99: float


class NumbersShape(ResponseShape):
    """How many messages came to be what. One may be counted in several: accepted, then sent, then bounced."""

    accepted: int
    sent: int
    delivered: int
    failed: int
    bounced: int
    rejected: int
    cancelled: int
    expired: int
    opened: int
    """By a reader, as far as can be told; only what is asked for by templates is known."""
    clicked: int
    latency: LatencyShape | None
    """Null: none left that was to go at once."""

    @classmethod
    def of(cls, rows: Sequence[Mapping[Any, Any]], **more: Any) -> Self:
        """What the rows come to together."""
        counts = {name: sum(row[name] for row in rows) for name in COUNTS}
        histogram = [sum(classes) for classes in zip(*(row["latency"] for row in rows), strict=True)]
        shares = {name: percentile(histogram, share) for name, share in SHARES.items()}
        return cls.model_validate({**counts, "latency": None if shares["p50"] is None else shares, **more})


class PointShape(NumbersShape):
    """The numbers of the hour or day that begins at `at`."""

    at: datetime


class GroupShape(ResponseShape):
    """What is told apart. What is not asked for by `by` is left out; null is what has none, as what was not tried."""

    channel: ChannelLabel | None = None
    provider: str | None = None
    template_id: UUID | None = None
    category: CategoryLabel | None = None


class LineShape(ResponseShape):
    """The numbers of one group."""

    group: GroupShape
    totals: NumbersShape
    points: list[PointShape]
    """One for each hour or day from the first to the last, also of those in which nothing happened."""


class NumbersAnswer(ResponseShape):
    """Numbers of a range of time, busiest group first."""

    begins_at: datetime = Field(serialization_alias="from")
    """The beginning of the hour or day that was asked for, in UTC."""
    ends_at: datetime = Field(serialization_alias="to")
    grain: GrainLabel
    counted_until: datetime | None
    """What happened later is not in yet. Null: nothing was counted so far."""
    totals: NumbersShape
    lines: list[LineShape]
