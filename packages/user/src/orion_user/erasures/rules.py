"""Erasures: why there is one, and how far it is."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum, auto

SERVICES = ("auth", "user", "notifications")


class ErasureReason(Enum):
    """REQUESTED by the person or for them; PURGED because a deleted user was not restored in time."""

    REQUESTED = auto()
    PURGED = auto()


def completed_at(erased_at: Mapping[str, datetime | None]) -> datetime | None:
    """When the last service was done; None while one is not."""
    moments = [erased_at[service] for service in SERVICES]
    return max((moment for moment in moments if moment is not None), default=None) if all(moments) else None
