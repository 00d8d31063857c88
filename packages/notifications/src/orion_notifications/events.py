"""What this service does when it hears of something in auth's feed: what it keeps. What is sent follows from rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from orion_contracts.account_messages import AccountMessageRequested, MessageSecrets, SecurityNoticeRaised
from orion_contracts.erasures import IdentityErased
from orion_contracts.event import Event
from orion_contracts.events import (
    EmailChanged,
    EmailVerificationRequested,
    EmailVerified,
    IdentityRegistered,
    PhoneChanged,
    VerificationSecrets,
)
from orion_contracts.imports import IdentitiesImported
from orion_core.clock import Clock
from orion_core.database import Transaction
from orion_core.events.follow import Handler
from orion_core.events.outbox import Outbox
from orion_core.sealing import Keyring
from orion_notifications.erasures import actions as erasures
from orion_notifications.event_rules.actions import Rulebook
from orion_notifications.event_rules.facts import OF_AUTH
from orion_notifications.kinds import Channel
from orion_notifications.notifications.actions import readdress
from orion_notifications.preferences.actions import (
    remember_phone,
    remember_user,
    remember_users,
    remember_verified_email,
)

log = structlog.get_logger()


@dataclass(frozen=True)
class Consumer:
    """Each handler runs in the transaction that moves the feed's cursor."""

    rules: Rulebook
    event_keyring: Keyring = field(repr=False)
    clock: Clock
    outbox: Outbox

    def handlers(self) -> Mapping[type[Event], Handler]:
        """Which event is heard by what."""
        return dict.fromkeys(OF_AUTH, self.told) | {
            IdentityRegistered: self.identity_registered,
            EmailVerificationRequested: self.verification_requested,
            EmailVerified: self.email_verified,
            EmailChanged: self.email_changed,
            PhoneChanged: self.phone_changed,
            AccountMessageRequested: self.message_requested,
            SecurityNoticeRaised: self.notice_raised,
            IdentityErased: self.identity_erased,
            IdentitiesImported: self.identities_imported,
        }

    async def told(self, transaction: Transaction, event: Event) -> None:
        """Have sent what follows from it."""
        await self.rules.tell(transaction, event, self.clock())

    async def identity_registered(self, transaction: Transaction, event: IdentityRegistered) -> None:
        """Remember where and in which language to reach the user, who is welcomed."""
        await remember_user(
            transaction.connection,
            user_id=event.user_id,
            email=event.email,
            name=event.name,
            locale=event.locale,
            timezone=event.timezone,
        )
        await self.told(transaction, event)

    async def verification_requested(self, transaction: Transaction, event: EmailVerificationRequested) -> None:
        """Mail the link and the code, unless they are of no use any more."""
        now = self.clock()
        if event.expires_at <= now:
            log.warning("verification.too_late", user_id=str(event.user_id))
            return
        place = event.associated_data(event.user_id)
        secrets = VerificationSecrets.model_validate_json(self.event_keyring.open_text(event.secrets, place))
        await self.rules.tell(transaction, event, now, {"link": secrets.link, "code": secrets.code})

    async def email_verified(self, transaction: Transaction, event: EmailVerified) -> None:
        """Remember that the address is the user's, who is welcomed there."""
        await remember_verified_email(transaction.connection, event.user_id, event.email, event.verified_at)
        await self.told(transaction, event)

    async def email_changed(self, transaction: Transaction, event: EmailChanged) -> None:
        """Reach the user at the new address from now on."""
        await remember_verified_email(transaction.connection, event.user_id, event.email, event.changed_at)
        await readdress(transaction, event.user_id, Channel.EMAIL, event.previous, event.email)
        await self.told(transaction, event)

    async def phone_changed(self, transaction: Transaction, event: PhoneChanged) -> None:
        """Reach the user at the new number from now on, or at none."""
        await remember_phone(transaction.connection, event.user_id, event.phone)
        await readdress(transaction, event.user_id, Channel.SMS, event.previous, event.phone)
        await self.told(transaction, event)

    async def message_requested(self, transaction: Transaction, event: AccountMessageRequested) -> None:
        """Send a secret by the way that was asked for, unless it is of no use any more."""
        now = self.clock()
        if event.expires_at <= now:
            log.warning("message.too_late", purpose=event.purpose, user_id=str(event.user_id))
            return
        opened = self.event_keyring.open_text(event.secrets, event.associated_data())
        secrets = MessageSecrets.model_validate_json(opened)
        if not await self.rules.tell(transaction, event, now, {"link": secrets.link, "code": secrets.code}):
            log.error("message.not_queued", type=event.type, purpose=event.purpose, channel=event.channel)

    async def notice_raised(self, transaction: Transaction, event: SecurityNoticeRaised) -> None:
        """Tell the owner of an account what happened to it."""
        link: str | None = None
        if event.secrets is not None:
            place = event.associated_data(event.notice_id, event.user_id)
            link = MessageSecrets.model_validate_json(self.event_keyring.open_text(event.secrets, place)).link
        await self.rules.tell(transaction, event, self.clock(), {"link": link})

    async def identities_imported(self, transaction: Transaction, event: IdentitiesImported) -> None:
        """Remember where and in which language to reach users who were brought over."""
        await remember_users(transaction.connection, event.identities, event.imported_at)

    async def identity_erased(self, transaction: Transaction, event: IdentityErased) -> None:
        """Forget the user, and say so."""
        await erasures.erase(transaction, self.outbox, event, self.clock())
