"""What may become of a notification."""

from enum import Enum, auto


class NotificationStatus(Enum):
    """Where a message stands; `rules.SUCCESSORS` says what may follow what, and the database refuses the rest."""

    QUEUED = auto()
    PROCESSING = auto()
    SENT = auto()
    DELIVERED = auto()
    FAILED = auto()
    BOUNCED = auto()
    REJECTED = auto()
    CANCELLED = auto()
    EXPIRED = auto()
