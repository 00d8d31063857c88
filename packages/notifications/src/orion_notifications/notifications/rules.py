"""What is asked to be sent, and what may become of a notification."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import Enum, auto
from typing import Any
from uuid import UUID

from orion_notifications.kinds import Category, Channel, Priority
from orion_notifications.templates.rules import Content


@dataclass(frozen=True)
class Order:
    """A message to one user, or to an address that is nobody's here. `key` is sent once, for ever.

    Its words are those of a template, or `content` with a `category`.
    """

    key: str | None
    type: str
    template: str | None
    channel: Channel
    user_id: UUID | None
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    recipient: str | None = None
    """An address that goes before the one the user is known by: one that is still to be verified, say."""
    locale: str | None = None
    """Goes before the user's own language."""
    expires_at: datetime | None = None
    content: Content | None = field(default=None, repr=False)
    category: Category | None = None
    """Of what comes without a template, which has its own."""
    priority: Priority | None = None
    """Goes before the template's."""
    scheduled_at: datetime | None = None
    local_time: time | None = None
    """Send it when it is this time in the recipient's zone."""
    ordering_key: str | None = None
    tags: Sequence[str] = ()
    secrets: frozenset[str] = frozenset()
    """Variables that go into no template but one that has them sealed."""
    batch_id: UUID | None = None
    """The batch that it is a message of."""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


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

ERASED = "erased_at"
"""In the metadata of a message whose words and recipient were erased: when."""


def is_erased(metadata: Mapping[str, Any]) -> bool:
    """Whether nothing is left of a message but whose it was, so that it cannot be sent again."""
    return ERASED in metadata
