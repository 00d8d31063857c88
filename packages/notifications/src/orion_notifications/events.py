"""What this service does when it hears of something in auth's feed."""

from collections.abc import Mapping
from dataclasses import dataclass

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
from orion_notifications.account_orders import Product, inbox_order, message_order, minutes_between, notice_order
from orion_notifications.desk import Desk
from orion_notifications.erasures import actions as erasures
from orion_notifications.kinds import Channel
from orion_notifications.notifications.actions import queue_or_log
from orion_notifications.notifications.rules import Order
from orion_notifications.preferences.actions import contact as contact_of
from orion_notifications.preferences.actions import (
    remember_phone,
    remember_user,
    remember_users,
    remember_verified_email,
)

log = structlog.get_logger()


@dataclass(frozen=True)
class Consumer:
    """Turns events into messages. Each handler runs in the transaction that moves the feed's cursor."""

    desk: Desk
    event_keyring: Keyring
    product: Product
    clock: Clock
    outbox: Outbox

    def handlers(self) -> Mapping[type[Event], Handler]:
        """Which event is heard by what."""
        return {
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

    async def identity_registered(self, transaction: Transaction, event: IdentityRegistered) -> None:
        """Remember where and in which language to reach the user, and put a welcome into the inbox."""
        await remember_user(
            transaction.connection,
            user_id=event.user_id,
            email=event.email,
            name=event.name,
            locale=event.locale,
            timezone=event.timezone,
        )
        if event.is_imported:
            return
        order = Order(
            key=f"{event.type}:{event.user_id}",
            type="account.welcome",
            template="welcome_in_app",
            channel=Channel.IN_APP,
            user_id=event.user_id,
            variables={"name": event.name or "", "product_name": self.product.name},
        )
        await queue_or_log(transaction, self.desk, order, self.clock())

    async def verification_requested(self, transaction: Transaction, event: EmailVerificationRequested) -> None:
        """Mail the link and the code, unless they are of no use any more."""
        now = self.clock()
        if event.expires_at <= now:
            log.warning("verification.too_late", user_id=str(event.user_id))
            return
        place = event.associated_data(event.user_id)
        secrets = VerificationSecrets.model_validate_json(self.event_keyring.open_text(event.secrets, place))
        order = Order(
            # One mail for each request: another request's link and code expire at another time.
            key=f"{event.type}:{event.user_id}:{event.expires_at.isoformat()}",
            type="account.email_verification",
            template="email_verification",
            channel=Channel.EMAIL,
            user_id=event.user_id,
            recipient=event.email,
            locale=event.locale,
            expires_at=event.expires_at,
            variables={
                "product_name": self.product.name,
                "support_url": self.product.support_url,
                "verification_url": secrets.link,
                "code": secrets.code,
                "expires_minutes": minutes_between(now, event.expires_at),
                "requested_at": event.requested_at.isoformat(),
                "ip_address": str(event.ip_address or ""),
            },
        )
        await queue_or_log(transaction, self.desk, order, now)

    async def email_verified(self, transaction: Transaction, event: EmailVerified) -> None:
        """Welcome the user by mail, now that the address is known to be theirs."""
        await remember_verified_email(transaction.connection, event.user_id, event.email, event.verified_at)
        if event.is_imported:
            return
        contact = await contact_of(transaction.connection, event.user_id)
        order = Order(
            key=f"{event.type}:{event.user_id}",
            type="account.welcome",
            template="welcome",
            channel=Channel.EMAIL,
            user_id=event.user_id,
            recipient=event.email,
            variables={
                "name": contact.name,
                "product_name": self.product.name,
                "app_url": self.product.app_url,
                "support_url": self.product.support_url,
            },
        )
        await queue_or_log(transaction, self.desk, order, self.clock())

    async def email_changed(self, transaction: Transaction, event: EmailChanged) -> None:
        """Reach the user at the new address from now on."""
        await remember_verified_email(transaction.connection, event.user_id, event.email, event.changed_at)

    async def phone_changed(self, transaction: Transaction, event: PhoneChanged) -> None:
        """Reach the user at the new number from now on, or at none."""
        await remember_phone(transaction.connection, event.user_id, event.phone)

    async def message_requested(self, transaction: Transaction, event: AccountMessageRequested) -> None:
        """Send a secret by the way that was asked for, unless it is of no use any more."""
        now = self.clock()
        if event.expires_at <= now:
            log.warning("message.too_late", purpose=event.purpose, user_id=str(event.user_id))
            return
        opened = self.event_keyring.open_text(event.secrets, event.associated_data())
        secrets = MessageSecrets.model_validate_json(opened)
        contact = await contact_of(transaction.connection, event.user_id)
        order = message_order(event, secrets, self.product, contact, now)
        if order is None:
            log.error("message.not_queued", type=event.type, purpose=event.purpose, channel=event.channel)
            return
        await queue_or_log(transaction, self.desk, order, now)

    async def notice_raised(self, transaction: Transaction, event: SecurityNoticeRaised) -> None:
        """Tell the owner of an account what happened to it."""
        link: str | None = None
        if event.secrets is not None:
            place = event.associated_data(event.notice_id, event.user_id)
            link = MessageSecrets.model_validate_json(self.event_keyring.open_text(event.secrets, place)).link
        await queue_or_log(transaction, self.desk, notice_order(event, link, self.product), self.clock())
        in_inbox = inbox_order(event, self.product)
        if in_inbox is not None:
            await queue_or_log(transaction, self.desk, in_inbox, self.clock())

    async def identities_imported(self, transaction: Transaction, event: IdentitiesImported) -> None:
        """Remember where and in which language to reach users who were brought over."""
        await remember_users(transaction.connection, event.identities, event.imported_at)

    async def identity_erased(self, transaction: Transaction, event: IdentityErased) -> None:
        """Forget the user, and say so."""
        await erasures.erase(transaction, self.outbox, event, self.clock())
