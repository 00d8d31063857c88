"""Why an address is suppressed."""

from enum import Enum, auto


class SuppressionReason(Enum):
    """Why an address must not be written to."""

    BOUNCE = auto()
    COMPLAINT = auto()
    UNSUBSCRIBE = auto()
    MANUAL = auto()
