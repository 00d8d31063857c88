"""Messages whose words are there already: nothing is rendered, and nobody's switches are asked."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from orion_core.database import Transaction
from orion_core.ids import uuid7
from orion_notifications.delivery.actions import enqueue
from orion_notifications.kinds import Category, Channel, Priority
from orion_notifications.notifications import store
from orion_notifications.notifications.actions import Desk
from orion_notifications.templates.rules import Content


@dataclass(frozen=True)
class ReadyMade:
    """A message to whoever asked for it."""

    type: str
    channel: Channel
    user_id: UUID
    recipient: str | None
    recipient_name: str | None
    locale: str
    content: Content = field(repr=False)


async def queue_ready_made(transaction: Transaction, desk: Desk, message: ReadyMade, now: datetime) -> UUID:
    """Record a message and have it sent soon; returns its id."""
    notification_id = uuid7()
    values = {
        "id": notification_id,
        "user_id": message.user_id,
        "type": message.type,
        "category": Category.TRANSACTIONAL,
        "channel": message.channel,
        "priority": Priority.HIGH,
        "locale": message.locale,
        "recipient": message.recipient,
        "recipient_name": message.recipient_name,
        "subject": message.content.subject,
        "content": message.content.text,
        "html_content": message.content.html,
        "queued_at": now,
    }
    await store.add(transaction.connection, values)
    await enqueue(transaction, desk.queue, notification_id=notification_id, priority=Priority.HIGH)
    return notification_id
