"""Bodies of the routes of notifications."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, StrictBool

from orion_core.http.shapes import RequestShape, ResponseShape

ChannelLabel = Literal["EMAIL", "SMS", "PUSH", "IN_APP", "WEBHOOK", "SLACK", "DISCORD"]


def _label(value: object) -> object:
    """An enum goes out by its label, as the database writes it."""
    return value.name if isinstance(value, Enum) else value


Label = Annotated[str, BeforeValidator(_label)]


class NotificationShape(ResponseShape):
    """A message as its recipient sees it; secrets in it (codes, links that act) are masked."""

    id: UUID
    type: str
    category: Label
    channel: Annotated[ChannelLabel, BeforeValidator(_label)]
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


class NotificationChange(RequestShape):
    """What a recipient may change."""

    read: StrictBool
