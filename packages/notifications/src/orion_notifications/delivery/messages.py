"""What passes between the queue and the channels."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from orion_notifications.delivery.rules import AttemptStatus, Failure, Next
from orion_notifications.kinds import Category, Channel
from orion_notifications.templates.rules import Content


@dataclass(frozen=True)
class Claimed:
    """A notification that this process holds the lease of."""

    id: UUID
    attempt: int
    """The number of the claim, which is the fence."""
    attempts: int
    """How often it has been tried, with this time."""
    attempt_id: UUID
    user_id: UUID | None
    type: str
    channel: Channel
    category: Category
    recipient: str | None
    recipient_name: str | None
    template_id: UUID | None
    template_version: int | None
    locale: str | None
    timezone: str | None
    subject: str | None
    content: str | None
    html_content: str | None
    variables: dict[str, Any]
    sealed_variables: bytes | None = field(repr=False)
    max_attempts: int
    expires_at: datetime | None


@dataclass(frozen=True)
class Message:
    """What a channel carries. `id` is the notification's, the same at every try."""

    id: UUID
    category: Category
    recipient: str
    recipient_name: str
    locale: str
    content: Content = field(repr=False)


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


@dataclass(frozen=True)
class Outcome:
    """One finished try, as it is written back. Fields named as the columns they go to."""

    id: UUID
    attempt: int
    attempt_id: UUID
    attempt_status: AttemptStatus
    next: Next
    delay: timedelta = timedelta()
    """Until the next try, when it goes back into the queue."""
    response_time_ms: int | None = None
    """What the channel took; null when it was never asked."""
    provider: str | None = None
    provider_message_id: str | None = None
    status_code: int | None = None
    response: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    content: Content | None = field(default=None, repr=False)
    """What was sent, secrets masked, where it was rendered for this try."""
