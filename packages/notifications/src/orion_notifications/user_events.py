"""What this service does when it hears of something in user's feed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from orion_contracts.access_events import RoleAssigned, RoleAssignmentEnded
from orion_contracts.event import Event
from orion_contracts.invitations import (
    InvitationExpired,
    InvitationMailRequested,
    InvitationSecrets,
    InvitationsForgotten,
)
from orion_contracts.user_events import ErasureRequested, LocaleChanged, NotificationPreferencesChanged
from orion_core.clock import Clock
from orion_core.database import Transaction
from orion_core.events.follow import Handler
from orion_core.sealing import Keyring
from orion_notifications.account_orders import Product
from orion_notifications.desk import Desk
from orion_notifications.erasures import actions as erasures
from orion_notifications.invitation_orders import expiry_order, invitation_order, keys_of
from orion_notifications.notifications.actions import queue_or_log, reconsider
from orion_notifications.preferences.actions import contact as contact_of
from orion_notifications.preferences.actions import remember_choices, remember_locale
from orion_notifications.role_orders import role_order

log = structlog.get_logger()


@dataclass(frozen=True)
class UserConsumer:
    """Turns user's events into messages and switches. Each handler runs in the transaction that moves the cursor."""

    desk: Desk
    event_keyring: Keyring = field(repr=False)
    product: Product
    clock: Clock

    def handlers(self) -> Mapping[type[Event], Handler]:
        """Which event is heard by what."""
        return {
            InvitationMailRequested: self.invitation_requested,
            InvitationExpired: self.invitation_expired,
            InvitationsForgotten: self.invitations_forgotten,
            NotificationPreferencesChanged: self.preferences_changed,
            LocaleChanged: self.locale_changed,
            RoleAssigned: self.role_changed,
            RoleAssignmentEnded: self.role_changed,
            ErasureRequested: self.erasure_requested,
        }

    async def invitation_requested(self, transaction: Transaction, event: InvitationMailRequested) -> None:
        """Mail the link, unless it is of no use any more."""
        now = self.clock()
        if event.expires_at <= now:
            log.warning("invitation.too_late", membership_id=str(event.membership_id))
            return
        opened = self.event_keyring.open_text(event.secrets, event.associated_data())
        link = InvitationSecrets.model_validate_json(opened).link
        await queue_or_log(transaction, self.desk, invitation_order(event, link, self.product, now), now)

    async def invitation_expired(self, transaction: Transaction, event: InvitationExpired) -> None:
        """Tell whoever sent it, at an address that is known to be his: the mail names another person's."""
        if (await contact_of(transaction.connection, event.user_id)).is_email_verified:
            await queue_or_log(transaction, self.desk, expiry_order(event, self.product), self.clock())

    async def invitations_forgotten(self, transaction: Transaction, event: InvitationsForgotten) -> None:
        """Forget what was heard of an erased person by the address alone, before or after auth's word."""
        await erasures.erase_messages(transaction, event.user_id, keys_of(event), self.clock())

    async def preferences_changed(self, transaction: Transaction, event: NotificationPreferencesChanged) -> None:
        """Send by the ways that the user wants from now on."""
        await remember_choices(transaction.connection, event)
        await reconsider(transaction, self.desk, event.user_id, self.clock())

    async def locale_changed(self, transaction: Transaction, event: LocaleChanged) -> None:
        """Write in the user's language from now on, and have what waits for an hour of the day wait for it there."""
        await remember_locale(transaction.connection, event)
        await reconsider(transaction, self.desk, event.user_id, self.clock())

    async def role_changed(self, transaction: Transaction, event: RoleAssigned | RoleAssignmentEnded) -> None:
        """Tell whoever was given a role, or has it no longer."""
        order = role_order(event, self.product)
        if order is not None:
            await queue_or_log(transaction, self.desk, order, self.clock())

    async def erasure_requested(self, transaction: Transaction, event: ErasureRequested) -> None:
        """Forget somebody of whom auth has told nothing, or nothing any more.

        The two feeds are heard independently. Whatever is known by auth's goes when auth says so (`IdentityErased`);
        an invitation or a choice that stands before this in user's feed, and is heard after that, must not stay behind.
        """
        await erasures.erase_late(transaction, event.user_id, self.clock())
