"""Where a batch stands."""

from enum import Enum, auto


class BatchStatus(Enum):
    """Where a batch stands."""

    DRAFT = auto()
    SCHEDULED = auto()
    RUNNING = auto()
    PAUSED = auto()
    COMPLETED = auto()
    CANCELLED = auto()
    FAILED = auto()
