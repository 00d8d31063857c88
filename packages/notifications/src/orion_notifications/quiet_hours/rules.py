"""When it is quiet, and when that is over.

A moment is quiet when the clock on the wall says so: when the local time lies in a window, which belongs to the day it
begins on and may pass midnight. So there is nothing to resolve when clocks change. An hour that is left out is not
waited for; an hour that comes twice is quiet both times; after a window that ends in it, the second time is as quiet as
the clock says.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
LONGEST = timedelta(days=15)
"""Nobody waits longer. Seven windows of less than a day leave some of each week; it may be what a change leaves out."""
PROBE_SECONDS = 900
"""No zone has changed its clocks twice within it."""

zone_named = lru_cache(1024)(ZoneInfo)
"""A zone of the IANA database, read once."""

Window = tuple[time, time]
"""From and until, local; past midnight when it ends before it begins."""


@dataclass(frozen=True)
class QuietHours:
    """The windows of a week, Monday's first; None: nothing begins on that day. `zone` is one of the IANA."""

    zone: str
    windows: tuple[Window | None, ...]

    def until(self, wall: datetime) -> datetime | None:
        """Until when, by the clock on the wall, the windows last that it is in; None in none."""
        ends = [end for begin, end in self._around(wall.date()) if begin <= wall < end]
        return max(ends, default=None)

    def _around(self, day: date) -> Iterable[tuple[datetime, datetime]]:
        for begins_on in (day - DAY, day):
            window = self.windows[begins_on.weekday()]
            if window is not None:
                start, end = window
                ends_on = begins_on if start < end else begins_on + DAY
                yield datetime.combine(begins_on, start), datetime.combine(ends_on, end)


@dataclass(frozen=True)
class Wait:
    """How long to wait from a moment on, and the changes of the clock on the way, which the sum has to heed."""

    until: datetime
    changes: tuple[datetime, ...] = ()


def quiet_hours(
    zone: str, start: time, end: time, days: Iterable[int], overrides: Mapping[str, Sequence[str] | None]
) -> QuietHours:
    """The hours as the preferences keep them: one window on some ISO weekdays, and others on single ones."""
    windows: list[Window | None] = [(start, end) if day in set(days) else None for day in range(1, 8)]
    for day, window in overrides.items():
        windows[int(day) - 1] = None if window is None else (read_time(window[0]), read_time(window[1]))
    return QuietHours(zone, tuple(windows))


def wait(hours: QuietHours, moment: datetime) -> Wait:
    """Until the first moment, from this one on, that is not quiet."""
    zone = zone_named(hours.zone)
    at, latest = moment, moment + LONGEST
    changes: list[datetime] = []
    while at < latest and (ends := hours.until(wall := _wall(at, zone))) is not None:
        ahead = at + (ends - wall)
        change = _next_change(zone, at, ahead)
        if change is not None:
            changes.append(change)
        at = ahead if change is None else change
    return Wait(at, tuple(changes))


def next_local(zone: str, after: datetime, at: time, weekday: int | None = None) -> datetime:
    """The first moment later than `after` when the clock says `at`, on an ISO weekday if one is named.

    What is left out counts by the clock before the change, and of what comes twice the first (RFC 5545 §3.3.5).
    """
    there = zone_named(zone)
    today = after.astimezone(there).date()
    moments = (local_moment(zone, today + n * DAY, at) for n in range(-1, 16) if weekday in (None, _weekday(today, n)))
    return next(moment for moment in moments if moment > after)


def local_moment(zone: str, day: date, at: time) -> datetime:
    """The moment when the clock there says `at` on that day."""
    return datetime.combine(day, at, zone_named(zone)).astimezone(UTC)


def read_time(text: str) -> time:
    """`HH:MM` or `HH:MM:SS`; raises ValueError."""
    value = time.fromisoformat(text)
    if value.tzinfo is not None:
        raise ValueError("a time of the clock on the wall has no zone")
    return value


def _weekday(day: date, days: int) -> int:
    return (day + days * DAY).isoweekday()


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _next_change(zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """The first moment in (after, until] from which the clock is another hour ahead; zones change at whole seconds."""
    low, last = int(after.timestamp()), -int(-until.timestamp() // 1)
    offset = _offset(zone, low)
    while low < last:
        high = min(low + PROBE_SECONDS, last)
        if _offset(zone, high) != offset:
            return _bisect(zone, low, high, offset)
        low = high
    return None


def _bisect(zone: ZoneInfo, low: int, high: int, offset: timedelta | None) -> datetime:
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
    return datetime.fromtimestamp(high, UTC)


def _offset(zone: ZoneInfo, second: int) -> timedelta | None:
    return datetime.fromtimestamp(second, zone).utcoffset()
