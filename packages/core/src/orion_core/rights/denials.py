"""Attempts that were denied, told apart so that writing them down fills no disk and slows nobody."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=1)
"""The same attempt is written down once in it; how often it came meanwhile stands in the next entry."""
MOST_IN_A_WINDOW = 300
"""Entries of all attempts together, of one process."""
MOST_KNOWN = 10_000
"""Attempts that are told apart; whoever makes up more is not remembered longer."""


@dataclass
class _Seen:
    written_at: datetime
    left_out: int = 0


class SeenDenials:
    """What one process has written down lately."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Hashable, _Seen] = OrderedDict()
        self._window_began: datetime | None = None
        self._written = 0

    def admit(self, attempt: Hashable, now: datetime) -> int | None:
        """How often the attempt was left out since it was written last; None to leave it out now."""
        seen = self._seen.get(attempt)
        if seen is not None and now < seen.written_at + WINDOW:
            seen.left_out += 1
            return None
        if self._window_began is None or now >= self._window_began + WINDOW:
            self._window_began, self._written = now, 0
        if self._written >= MOST_IN_A_WINDOW:
            return None
        self._written += 1
        self._seen[attempt] = _Seen(now)
        self._seen.move_to_end(attempt)
        if len(self._seen) > MOST_KNOWN:
            self._seen.popitem(last=False)
        return 0 if seen is None else seen.left_out
