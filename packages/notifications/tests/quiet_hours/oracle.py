"""Quiet hours a second time, by another way: from pytz's tables of transitions, as intervals of UTC that are merged.

Nothing here is shared with `quiet_hours.rules`, which asks zoneinfo for one offset after the other. Both must have the
same release of the IANA database.
"""

# ruff: noqa: DTZ901 - moments without a zone are UTC here, as pytz keeps them

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

import pytz

DAY = timedelta(days=1)
NAIVE = tuple[datetime, datetime]

Windows = Sequence[tuple[time, time] | None]


def pieces(zone: str, begin: datetime, end: datetime) -> list[tuple[datetime, datetime, timedelta]]:
    """The stretches of UTC (naive) between two changes of the clock, each with its offset."""
    there: Any = pytz.timezone(zone)
    if not hasattr(there, "_utc_transition_times"):  # its clock was never changed
        return [(begin, end, there.utcoffset(begin))]
    times: list[datetime] = list(there._utc_transition_times)
    offsets: list[timedelta] = [info[0] for info in there._transition_info]
    ends = [*times[1:], datetime.max]
    together = zip(times, ends, offsets, strict=True)
    return [(max(a, begin), min(b, end), offset) for a, b, offset in together if a < end and b > begin]


def transitions(zone: str, begin: datetime, end: datetime) -> list[datetime]:
    """When the clock is changed."""
    return [each[0] for each in pieces(zone, begin, end)[1:]]


@dataclass
class Oracle:
    """All quiet stretches of a zone between two moments (naive UTC), for windows of a week."""

    zone: str
    windows: Windows
    begin: datetime
    end: datetime
    merged: list[NAIVE] = field(default_factory=list[NAIVE])

    def __post_init__(self) -> None:
        for begin, end in sorted(self._stretches()):
            if self.merged and begin <= self.merged[-1][1]:
                self.merged[-1] = self.merged[-1][0], max(self.merged[-1][1], end)
            else:
                self.merged.append((begin, end))

    def _stretches(self) -> Iterator[NAIVE]:
        for utc_begin, utc_end, offset in pieces(self.zone, self.begin, self.end):
            day = (utc_begin + offset).replace(hour=0, minute=0, second=0, microsecond=0) - DAY
            while day < utc_end + offset:
                window = self.windows[day.weekday()]
                if window is not None:
                    start, stop = (day + timedelta(hours=t.hour, minutes=t.minute, seconds=t.second) for t in window)
                    stop += DAY if stop <= start else timedelta()
                    begin, end = max(start - offset, utc_begin), min(stop - offset, utc_end)
                    if begin < end:
                        yield begin, end
                day += DAY

    def first_loud(self, moment: datetime) -> datetime:
        """The first moment from this one on that is not quiet."""
        place = bisect_right(self.merged, (moment, datetime.max)) - 1
        if place >= 0 and self.merged[place][0] <= moment < self.merged[place][1]:
            return self.merged[place][1]
        return moment
