"""What user tells of roles becomes a message in the inbox. Pure; `user_events` queues."""

from orion_contracts.access_events import RoleAssigned, RoleAssignmentEnded
from orion_notifications.account_orders import Product
from orion_notifications.kinds import Channel
from orion_notifications.notifications.rules import Order


def role_order(event: RoleAssigned | RoleAssignmentEnded, product: Product) -> Order | None:
    """The message to whoever has a role, or has it no longer; None where the user knows: nobody else has done it."""
    if event.by is None or event.by == event.user_id:
        return None
    return Order(
        key=f"{event.type}:{event.grant_id}",
        type="account.role_changed",
        template="role_changed_in_app",
        channel=Channel.IN_APP,
        user_id=event.user_id,
        variables={
            "product_name": product.name,
            "role": event.role,
            "role_change": "given" if isinstance(event, RoleAssigned) else "ended",
        },
    )
