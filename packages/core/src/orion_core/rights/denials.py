"""Attempts that were denied, told apart so that writing them down fills no disk and slows nobody.

Whatever is left out is counted, and told in a later entry; nobody can have those of others left out by his own.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=1)
"""The same attempt is written down once in it; how often it came meanwhile stands in the next entry."""
MOST_OF_ONE = 30
"""Entries of one actor in it."""
MOST_IN_A_WINDOW = 300
"""Entries of all attempts together, of one process."""
MOST_KNOWN = 10_000
"""Attempts that are told apart; whoever makes up more is not remembered longer."""


@dataclass
class _Seen:
    written_at: datetime
    left_out: int = 0


@dataclass
class _Share:
    """What one actor has had written in a window, and what was left out since he was told of last."""

    written: int = 0
    left_out: int = 0


class SeenDenials:
    """What one process has written down lately."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Hashable, _Seen] = OrderedDict()
        self._window_began: datetime | None = None
        self._written = 0
        self._shares: dict[Hashable, _Share] = {}
        self._left_out_of_all = 0

    def admit(self, actor: Hashable, attempt: Hashable, now: datetime) -> Mapping[str, int] | None:
        """What is to be told with the attempt of others that were left out; None to leave it out now, too.

        `left_out`: the same attempt of this actor; `left_out_of_actor`: other ones, beyond his share;
        `left_out_of_all`: attempts of anybody that nothing else tells of. Only those that there were.
        """
        seen = self._seen.get((actor, attempt))
        if seen is not None and now < seen.written_at + WINDOW:
            seen.left_out += 1
            return None
        if self._window_began is None or now >= self._window_began + WINDOW:
            self._begin_window(actor, now)
        share = self._shares.get(actor)
        if share is not None and share.written >= MOST_OF_ONE:
            share.left_out += 1
            return None
        if self._written >= MOST_IN_A_WINDOW:
            self._left_out_of_all += 1
            return None
        return self._write(actor, attempt, now)

    def _begin_window(self, actor: Hashable, now: datetime) -> None:
        """What was left out of the others is told with this attempt: perhaps they never come again."""
        own = self._shares.pop(actor, _Share())
        self._left_out_of_all += sum(share.left_out for share in self._shares.values())
        self._window_began, self._written = now, 0
        self._shares = {actor: _Share(left_out=own.left_out)}

    def _write(self, actor: Hashable, attempt: Hashable, now: datetime) -> Mapping[str, int]:
        seen, share = self._seen.get((actor, attempt)), self._shares.setdefault(actor, _Share())
        told = {
            "left_out": 0 if seen is None else seen.left_out,
            "left_out_of_actor": share.left_out,
            "left_out_of_all": self._left_out_of_all,
        }
        self._written += 1
        self._shares[actor] = _Share(share.written + 1)
        self._left_out_of_all = 0
        self._seen[actor, attempt] = _Seen(now)
        self._seen.move_to_end((actor, attempt))
        if len(self._seen) > MOST_KNOWN:
            self._left_out_of_all += self._seen.popitem(last=False)[1].left_out
        return {name: count for name, count in told.items() if count}
