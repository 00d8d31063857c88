"""Bodies of the routes of notifications."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from orion_core.http.shapes import RequestShape, ResponseShape

ChannelLabel = Literal["EMAIL", "SMS", "PUSH", "IN_APP", "WEBHOOK", "SLACK", "DISCORD"]


class NotificationShape(ResponseShape):
    """A message as its recipient sees it; secrets in it (codes, links that act) are masked."""

    id: UUID
    type: str
    category: str
    channel: ChannelLabel
    priority: str
    status: str
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

    read: bool
