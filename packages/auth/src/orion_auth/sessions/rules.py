"""How long sessions last, and how many a user may have."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

REFUSAL_MARGIN = timedelta(seconds=30)
"""How much longer than its tokens live a session's end is remembered, for clocks that are apart."""


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
