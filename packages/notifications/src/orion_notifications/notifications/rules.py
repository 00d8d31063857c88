"""What may become of a notification."""

from enum import Enum, auto


class NotificationStatus(Enum):
    """Where a message stands; `SUCCESSORS` says what may follow what, and the database refuses the rest."""

    QUEUED = auto()
    PROCESSING = auto()
    SENT = auto()
    DELIVERED = auto()
    FAILED = auto()
    BOUNCED = auto()
    REJECTED = auto()
    CANCELLED = auto()
    EXPIRED = auto()


_S = NotificationStatus

SUCCESSORS: dict[NotificationStatus, frozenset[NotificationStatus]] = {
    # Before it is handed over, a message can still be taken back, or refused by ourselves.
    _S.QUEUED: frozenset({_S.PROCESSING, _S.FAILED, _S.REJECTED, _S.CANCELLED, _S.EXPIRED}),
    # A failure that may pass puts it back into the queue. Only the worker that has it takes it back, before it hands it
    # over: others are kept from it by its lease.
    _S.PROCESSING: frozenset(
        {_S.QUEUED, _S.SENT, _S.DELIVERED, _S.FAILED, _S.BOUNCED, _S.REJECTED, _S.CANCELLED, _S.EXPIRED},
    ),
    # What providers report later. Whatever is not listed is final, so a late or repeated report changes nothing.
    _S.SENT: frozenset({_S.DELIVERED, _S.FAILED, _S.BOUNCED, _S.REJECTED}),
}

TAKEN_AT_ONCE = frozenset({_S.SENT, _S.DELIVERED})
"""What may follow QUEUED where a worker took and sent the message in one: a channel that waits for nobody (an inbox) is
through with PROCESSING before anybody could see it. The database asks for its `processing_at` then."""
