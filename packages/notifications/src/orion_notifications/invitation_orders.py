"""What user's invitations to organizations become: which template, filled with what. Pure; `user_events` queues."""

from datetime import datetime

from orion_contracts.invitations import InvitationExpired, InvitationMailRequested
from orion_notifications.account_orders import Product, minutes_between
from orion_notifications.kinds import Channel
from orion_notifications.notifications.actions import Order


def invitation_order(event: InvitationMailRequested, link: str, product: Product, now: datetime) -> Order:
    """The mail with the link that accepts."""
    return Order(
        key=f"{event.type}:{event.message_id}",
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
        # With the moment: one that was mailed again can expire again.
        key=f"{event.type}:{event.membership_id}:{event.expired_at.isoformat()}",
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
