"""How long an elevation may be asked for, and last."""

from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

LONGEST_MINUTES = 24 * 60
"""Whoever needs a role for longer is given it by an assignment."""

WAITS = timedelta(days=1)
"""A request that nobody has decided by then has lapsed: what was urgent yesterday is asked for again."""


class ElevationStatus(Enum):
    """Where an elevation has got to. Only APPROVED gives anything, and by its assignment's end alone no longer."""

    PENDING = auto()
    APPROVED = auto()
    DENIED = auto()
    CANCELLED = auto()
    LAPSED = auto()
    ENDED = auto()


def may_be_decided(status: ElevationStatus, lapses_at: datetime, now: datetime) -> bool:
    """Whether somebody can still approve or deny it."""
    return status is ElevationStatus.PENDING and now < lapses_at


def is_own(user_id: UUID, decided_by: UUID | None) -> bool:
    """Whether somebody would decide about himself."""
    return user_id == decided_by
