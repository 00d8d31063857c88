"""How numbers are cut into time, and percentiles out of a histogram. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

QUARTER = timedelta(minutes=15)
"""The grain that is kept. A count of it reads a quarter of an hour's messages, and days of all zones are made of it."""
LATE = timedelta(minutes=5)
"""What is committed within this of its own time is counted, and clocks of machines may differ by as much."""
STEP = timedelta(minutes=30)
"""What is counted in one transaction at most, of what happened before anybody counted."""

BOUNDS = tuple(0.05 * 2**power for power in range(20))
"""Seconds from accepted to sent, from 50 ms to 7 h, each twice the one before; the last class has no end."""

COUNTS = ("accepted", "sent", "delivered", "failed", "bounced", "rejected", "cancelled", "expired", "opened", "clicked")
"""What is counted, each message once in the quarter of the moment when it first came to be that."""


class Grain(Enum):
    """How wide the points of a series are."""

    HOUR = timedelta(hours=1)
    DAY = timedelta(days=1)


LONGEST = {Grain.HOUR: timedelta(days=31), Grain.DAY: timedelta(days=400)}
"""How much is asked for at once."""
UNSAID = {Grain.HOUR: timedelta(days=1), Grain.DAY: timedelta(days=30)}
"""How much is told when nobody says from when on."""


@dataclass(frozen=True)
class Span:
    """A range of time: `begins_at` is in it, `ends_at` is not."""

    begins_at: datetime
    ends_at: datetime


def due(counted_until: datetime, now: datetime) -> Span:
    """What is counted next: the quarters that were open, or may have got something late, and what came since."""
    begins_at = floor(counted_until - LATE, QUARTER)
    return Span(begins_at, min(now, floor(counted_until, QUARTER) + STEP))


def floor(moment: datetime, width: timedelta) -> datetime:
    """The beginning of the hour, day or quarter, in UTC, that `moment` is in."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return moment.astimezone(UTC) - (moment - epoch) % width


def moments(span: Span, grain: Grain) -> list[datetime]:
    """The points of a series, also those at which nothing happened."""
    first = floor(span.begins_at, grain.value)
    return [first + grain.value * n for n in range(-((first - span.ends_at) // grain.value))]


def percentile(histogram: Sequence[int], share: float) -> float | None:
    """The seconds within which `share` of all have left; None of nothing.

    Within a class they are taken to be spread evenly, and of the class without an end its beginning is told.
    """
    wanted = share * sum(histogram)
    if not wanted:
        return None
    edges = (0.0, *BOUNDS)
    before = 0
    for index, count in enumerate(histogram):
        if before + count >= wanted and count:
            if index == len(BOUNDS):
                break
            seconds = edges[index] + (edges[index + 1] - edges[index]) * (wanted - before) / count
            return round(seconds, 4)
        before += count
    return edges[-1]
