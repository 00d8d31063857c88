"""The channel IN_APP: the record itself is the message, so it is delivered by being finished."""

from orion_notifications.delivery.messages import Message, Receipt
from orion_notifications.delivery.rules import Next


def deliver(_: Message) -> Receipt:
    """Deliver to the inbox."""
    return Receipt(Next.DELIVERED, provider="inbox")
