"""Which window a message falls into, and whether there is room in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_WINDOWS = 1_000
"""How far ahead room is looked for."""


class Excess(Enum):
    """What becomes of a message for which there is no room."""

    DEFER = auto()
    REJECT = auto()


@dataclass(frozen=True)
class Throttle:
    """At most `most` messages of a type to one user in each window; `used` are those windows that have any."""

    id: UUID
    most: int
    window: timedelta
    excess: Excess
    used: Mapping[datetime, int] = field(default_factory=dict[datetime, int])

    def begin(self, moment: datetime) -> datetime:
        """The beginning of the window that the moment lies in; windows are counted from 1970 on."""
        return EPOCH + (moment - EPOCH) // self.window * self.window

    def has_room(self, moment: datetime) -> bool:
        """Whether one more fits into that moment's window."""
        return self.used.get(self.begin(moment), 0) < self.most

    def room_from(self, moment: datetime) -> datetime | None:
        """The first moment from this one on at which there is room; None where that is too far ahead."""
        at = moment
        for _ in range(MOST_WINDOWS):
            if self.has_room(at):
                return at
            at = self.begin(at) + self.window
        return None
