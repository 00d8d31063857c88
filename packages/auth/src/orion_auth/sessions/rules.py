"""How long sessions last, and how many a user may have."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

REFUSAL_MARGIN = timedelta(seconds=30)
"""How much longer than its tokens live a session's end is remembered, for clocks that are apart."""


@dataclass(frozen=True)
class Lifetime:
    """How long a session lasts."""

    absolute: timedelta
    """It ends this long after it began, however often it is refreshed."""
    idle: timedelta
    """It ends when it is not refreshed for this long."""


@dataclass(frozen=True)
class SessionPolicy:
    """What holds for all sessions."""

    remembered: Lifetime = Lifetime(timedelta(days=30), timedelta(days=14))
    """Of somebody who signs in on a device of his own."""
    unremembered: Lifetime = Lifetime(timedelta(hours=12), timedelta(hours=1))
    """Of somebody who asked not to be remembered, as on a computer that others use."""
    most: int = 50
    """Sessions that a user may have at a time."""


@dataclass(frozen=True)
class LiveSession:
    """As much of a session as decides which one has to make room."""

    id: UUID
    last_used_at: datetime


def too_many(live: Sequence[LiveSession], most: int, newest: UUID) -> list[UUID]:
    """Which sessions make room once `newest` has begun: those that were not used for longest, and never `newest`."""
    others = sorted(
        (session for session in live if session.id != newest), key=lambda each: (each.last_used_at, each.id)
    )
    return [session.id for session in others[: max(0, len(live) - max(most, 1))]]
