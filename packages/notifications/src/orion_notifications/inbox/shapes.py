"""Bodies of the routes of the inbox."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BeforeValidator, StrictBool, model_validator

from orion_core.http.shapes import Moment, RequestShape, ResponseShape
from orion_notifications.labels import ChannelLabel, Label, label


class NotificationShape(ResponseShape):
    """A message as its recipient sees it; secrets in it (codes, links that act) are masked."""

    id: UUID
    type: str
    category: Label
    channel: Annotated[ChannelLabel, BeforeValidator(label)]
    priority: Label
    status: Label
    locale: str | None
    subject: str | None
    content: str | None
    created_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    seen_at: datetime | None
    read_at: datetime | None
    archived_at: datetime | None
    snoozed_until: datetime | None


class NotificationChange(RequestShape):
    """What a recipient may change; at least one of them."""

    read: StrictBool | None = None
    seen: StrictBool | None = None
    archived: StrictBool | None = None
    snoozed_until: Moment | None = None
    """Not shown among the unread until then; null shows it again."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one of read, seen, archived and snoozed_until")
        return self


class Counters(ResponseShape):
    """How many in-app messages of an inbox are what; what is snoozed is neither unread nor unseen meanwhile."""

    unread: int
    unseen: int
    snoozed: int


class InboxChange(RequestShape):
    """What is done with the whole inbox."""

    read: StrictBool | None = None
    seen: StrictBool | None = None
    up_to: UUID | None = None
    """The newest message that was shown; later ones stay as they are."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.read or self.seen):
            raise ValueError("say read or seen: true")
        return self
