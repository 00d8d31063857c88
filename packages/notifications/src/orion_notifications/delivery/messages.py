"""What passes between the queue and the channels."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from orion_notifications.delivery.rules import AttemptStatus, Failure, Next, Reported
from orion_notifications.kinds import Category, Channel, Priority
from orion_notifications.templates.rules import NOT_TRACKED, Content, Tracks


@dataclass(frozen=True)
class Report:
    """What a provider says later of a message that it has taken. `code` is stable, for programs; `words` for people."""

    status: Reported
    code: str | None = None
    words: str | None = None


@dataclass(frozen=True)
class Told:
    """Whom a report was about, and whether it is news: one that is late or repeated changes nothing."""

    notification_id: UUID
    is_news: bool


@dataclass(frozen=True)
class Carried:
    """How a notification left, and where to."""

    channel: Channel
    recipient: str | None
    provider: str | None
    provider_message_id: str | None


class Claimed(NamedTuple):
    """A notification that this process holds the lease of. A tuple, since there are tens of thousands a second."""

    channel: Channel
    category: Category
    priority: Priority
    variables: dict[str, Any] | None
    """Null: they cannot be read."""
    id: UUID
    attempt: int
    """The number of the claim, which is the fence."""
    attempts: int
    """How often it has been tried, with this time."""
    user_id: UUID | None
    type: str
    recipient: str | None
    recipient_name: str | None
    template_id: UUID | None
    template_version: int | None
    locale: str | None
    timezone: str | None
    subject: str | None
    content: str | None
    html_content: str | None
    sealed_variables: bytes | None
    max_attempts: int
    expires_at: datetime | None
    due_at: datetime
    leased_at: datetime
    ordering_key: str | None
    lost_leases: int
    """How often a worker did not come back with it."""
    batch_id: UUID | None = None

    def __repr__(self) -> str:
        return f"<notification {self.id}, claim {self.attempt}>"


@dataclass(frozen=True)
class Ruling:
    """Why a claimed notification does not go out now: decided at the last moment, so it is no try of it.

    QUEUED puts it off until `due_at`; REJECTED, EXPIRED and CANCELLED end it. `code` is stable, for programs; `words`
    are for people, and stand in the record.
    """

    next: Next
    due_at: datetime | None
    code: str
    words: str


Admit = Callable[[Sequence[Claimed]], Awaitable[Mapping[UUID, Ruling]]]
"""Asked once for each batch that was claimed; what is not in the answer goes out."""


async def admit_all(_: Sequence[Claimed]) -> Mapping[UUID, Ruling]:
    """Nothing is held back."""
    return {}


class Message(NamedTuple):
    """What a channel carries. `id` is the notification's, the same at every try. A tuple, as `Claimed` is."""

    id: UUID
    category: Category
    recipient: str
    recipient_name: str
    locale: str
    content: Content
    type: str = ""
    """What it is about (`security.new_device`), for receivers that are programs."""
    user_id: UUID | None = None
    variables: Mapping[str, Any] = MappingProxyType({})
    """Those that are no secrets, for receivers that are programs."""
    expires_at: datetime | None = None
    tracks: Tracks = NOT_TRACKED
    """What is wanted to be known of whether it is read."""

    def __repr__(self) -> str:
        return f"<message of notification {self.id}>"


Unsubscribing = Callable[[Message], str | None]
"""The URL by which whoever has this mail ends what he need not get (RFC 8058); None when he must get it."""


Tagging = Callable[[UUID], str]
"""What a provider is given to name a message by in its call-backs (message_tags)."""


@dataclass(frozen=True)
class Receipt:
    """A provider has taken the message."""

    next: Next
    provider: str
    provider_message_id: str | None = None
    status_code: int | None = None
    response: str | None = None


class NotDeliveredError(Exception):
    """A provider has not taken the message, or nobody knows."""

    def __init__(self, failure: Failure, provider: str | None = None) -> None:
        super().__init__(f"{failure.code}: {failure.message}")
        self.failure = failure
        self.provider = provider


Send = Callable[[Message], Awaitable[Receipt]]
"""A channel. Raises NotDeliveredError; may be cancelled at any moment."""

AtOnce = Callable[[Message], Receipt]
"""A channel that waits for nobody: hundreds of messages in a row need no task each. Raises NotDeliveredError."""


class Outcome(NamedTuple):
    """What became of one claim, as it is written back. Fields named as the columns they go to."""

    id: UUID
    attempt: int
    attempt_status: AttemptStatus | None
    """Null: a ruling kept it back, so there was no attempt."""
    next: Next
    delay_seconds: float | None = None
    """Until the next try, when it goes back into the queue; null: at once."""
    due_at: datetime | None = None
    """The same as a moment, of what was put off."""
    deferred_reason: str | None = None
    """Why it was put off."""
    response_time_ms: int | None = None
    """What the channel took; null when it was never asked."""
    provider: str | None = None
    provider_message_id: str | None = None
    status_code: int | None = None
    response: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    content: Content | None = None
    """What was sent, secrets masked, where it was rendered for this try."""
    ordering_key: str | None = None
    """Of which the next message's turn has come, unless this one goes back."""

    def __repr__(self) -> str:
        return f"<outcome of notification {self.id}, claim {self.attempt}: {self.next.name}>"
