"""Decisions of delivery."""

from enum import Enum, auto


class AttemptStatus(Enum):
    """What came of one try. UNKNOWN: the worker died or lost its lease, so the message may or may not have left."""

    PENDING = auto()
    SUCCESS = auto()
    FAILURE = auto()
    TIMEOUT = auto()
    RATE_LIMITED = auto()
    UNKNOWN = auto()
