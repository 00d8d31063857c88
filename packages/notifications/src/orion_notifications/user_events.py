"""What this service does when it hears of something in user's feed: what it keeps. What is sent follows from rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

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
from orion_notifications.erasures import actions as erasures
from orion_notifications.event_rules.actions import Rulebook
from orion_notifications.event_rules.facts import OF_USER
from orion_notifications.notifications.actions import reconsider
from orion_notifications.preferences.actions import remember_choices, remember_locale

log = structlog.get_logger()


@dataclass(frozen=True)
class UserConsumer:
    """Each handler runs in the transaction that moves the feed's cursor."""

    rules: Rulebook
    event_keyring: Keyring = field(repr=False)
    clock: Clock

    def handlers(self) -> Mapping[type[Event], Handler]:
        """Which event is heard by what."""
        return dict.fromkeys(OF_USER, self.told) | {
            InvitationMailRequested: self.invitation_requested,
            InvitationsForgotten: self.invitations_forgotten,
            NotificationPreferencesChanged: self.preferences_changed,
            LocaleChanged: self.locale_changed,
            ErasureRequested: self.erasure_requested,
        }

    async def told(self, transaction: Transaction, event: Event) -> None:
        """Have sent what follows from it."""
        await self.rules.tell(transaction, event, self.clock())

    async def invitation_requested(self, transaction: Transaction, event: InvitationMailRequested) -> None:
        """Mail the link, unless it is of no use any more."""
        now = self.clock()
        if event.expires_at <= now:
            log.warning("invitation.too_late", membership_id=str(event.membership_id))
            return
        opened = self.event_keyring.open_text(event.secrets, event.associated_data())
        link = InvitationSecrets.model_validate_json(opened).link
        await self.rules.tell(transaction, event, now, {"link": link})

    async def invitations_forgotten(self, transaction: Transaction, event: InvitationsForgotten) -> None:
        """Forget what was heard of an erased person by the address alone, before or after auth's word."""
        await erasures.erase_messages(transaction, event.user_id, keys_of(event), self.clock())

    async def preferences_changed(self, transaction: Transaction, event: NotificationPreferencesChanged) -> None:
        """Send by the ways that the user wants from now on."""
        await remember_choices(transaction.connection, event)
        await reconsider(transaction, self.rules.desk, event.user_id, self.clock())
        await self.told(transaction, event)

    async def locale_changed(self, transaction: Transaction, event: LocaleChanged) -> None:
        """Write in the user's language from now on, and have what waits for an hour of the day wait for it there."""
        await remember_locale(transaction.connection, event)
        await reconsider(transaction, self.rules.desk, event.user_id, self.clock())
        await self.told(transaction, event)

    async def erasure_requested(self, transaction: Transaction, event: ErasureRequested) -> None:
        """Forget somebody of whom auth has told nothing, or nothing any more.

        The two feeds are heard independently. Whatever is known by auth's goes when auth says so (`IdentityErased`);
        an invitation or a choice that stands before this in user's feed, and is heard after that, must not stay behind.
        """
        await erasures.erase_late(transaction, event.user_id, self.clock())


def keys_of(event: InvitationsForgotten) -> list[str]:
    """What the messages that are to be forgotten were sent under (event_rules/delivered.py)."""
    invitations = [f"{InvitationMailRequested.type}:{message_id}" for message_id in event.message_ids]
    ended = [f"{told.membership_id}:{told.expired_at.isoformat()}" for told in event.expiries]
    return [*invitations, *(f"{InvitationExpired.type}:{each}" for each in ended)]
