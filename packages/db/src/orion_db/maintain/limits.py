"""How long maintenance may take, and what it must not disturb."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from orion_db.errors import Exit, Problem

MAX_LOAD = 16
"""Sessions of others that may be at work, by default: on a busy server maintenance waits."""

MAX_LAG_SECONDS = 30.0
"""How far replicas may be behind: VACUUM and REINDEX write much WAL."""

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class Limits:
    """When to stop."""

    until: datetime | None = None
    max_load: int | None = None
    """None: however busy the server is."""
    max_lag_seconds: float = MAX_LAG_SECONDS


def read_limits(now: datetime, budget: str | None, until: str | None, max_load: int | None) -> Limits:
    """Limits from words: `30m`, `1h30m`; `05:00` is the next such time by the clock that `now` is of.

    Of both, what comes first ends it. Raises Problem `limit_unreadable`.
    """
    ends = [*([now + _duration(budget)] if budget else []), *([_next(now, until)] if until else [])]
    return Limits(min(ends, default=None), max_load)


def _duration(words: str) -> timedelta:
    match = _DURATION.fullmatch(words.strip())
    if match is None or not any(match.groups()):
        raise _unreadable(f"{words!r} is no duration", "--for 30m, --for 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _next(now: datetime, words: str) -> datetime:
    match = _CLOCK.fullmatch(words.strip())
    if match is None:
        raise _unreadable(f"{words!r} is no time of day", "--until 05:00")
    moment = now.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
    return moment if moment > now else moment + timedelta(days=1)


def _unreadable(what: str, example: str) -> Problem:
    return Problem("limit_unreadable", Exit.USAGE, f"{what}.", "", f"Write it as in {example}.")
