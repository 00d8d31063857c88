"""What user's invitations to organizations become: which template, filled with what. Pure; `user_events` queues."""

from datetime import datetime
from uuid import UUID

from orion_contracts.invitations import ExpiryTold, InvitationExpired, InvitationMailRequested, InvitationsForgotten
from orion_notifications.account_orders import Product, minutes_between
from orion_notifications.kinds import Channel
from orion_notifications.notifications.rules import Order


def invitation_order(event: InvitationMailRequested, link: str, product: Product, now: datetime) -> Order:
    """The mail with the link that accepts."""
    return Order(
        key=_invitation_key(event.message_id),
        type="organization.invitation",
        template="organization_invitation",
        channel=Channel.EMAIL,
        user_id=event.user_id,
        recipient=event.recipient,
        locale=event.locale,
        expires_at=event.expires_at,
        variables={
            "product_name": product.name,
            "support_url": product.support_url,
            "organization": event.organization,
            "action_url": link,
            "expires_minutes": minutes_between(now, event.expires_at),
        },
    )


def expiry_order(event: InvitationExpired, product: Product) -> Order:
    """The mail to whoever sent an invitation that nobody accepted."""
    return Order(
        key=_expiry_key(event),
        type="organization.invitation_expired",
        template="organization_invitation_expired",
        channel=Channel.EMAIL,
        user_id=event.user_id,
        variables={
            "product_name": product.name,
            "support_url": product.support_url,
            "app_url": product.app_url,
            "organization": event.organization,
            "invited_email": event.email,
        },
    )


def keys_of(event: InvitationsForgotten) -> list[str]:
    """What the orders that are to be forgotten were made under."""
    return [*map(_invitation_key, event.message_ids), *map(_expiry_key, event.expiries)]


def _invitation_key(message_id: UUID) -> str:
    return f"{InvitationMailRequested.type}:{message_id}"


def _expiry_key(told: InvitationExpired | ExpiryTold) -> str:
    """With the moment: one that was mailed again can expire again."""
    return f"{InvitationExpired.type}:{told.membership_id}:{told.expired_at.isoformat()}"
