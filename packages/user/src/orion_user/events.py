"""What user publishes (`user.created`), and what becomes here of auth's events."""

from collections.abc import Mapping

from orion_contracts.api_keys import ApiKeyUsed, NotificationsApiKeyUsed
from orion_contracts.audit import AuthAuditRecorded, NotificationsAuditRecorded
from orion_contracts.erasures import IdentityErased, MessagesErased
from orion_contracts.event import Event
from orion_contracts.events import (
    EmailChanged,
    EmailVerified,
    IdentityProfileChanged,
    IdentityRegistered,
    IdentityReinstated,
    IdentitySuspended,
    PhoneChanged,
    SecurityEpochRaised,
    SessionEnded,
    SessionStarted,
    SignInFailed,
    UsernameChanged,
)
from orion_contracts.imports import IdentitiesImported
from orion_core.clock import Clock
from orion_core.database import Transaction
from orion_core.events.follow import Handler
from orion_core.events.outbox import Outbox
from orion_user.api_keys import actions as own_keys
from orion_user.api_keys import admission as api_keys
from orion_user.audit import heard
from orion_user.erasures import actions as erasures
from orion_user.imports import actions as imports
from orion_user.sessions import actions as sessions
from orion_user.users import actions as users


def handlers(outbox: Outbox, clock: Clock) -> Mapping[type[Event], Handler]:
    """What to do with each event of auth's feed, inside the transaction that also moves the cursor."""

    async def registered(transaction: Transaction, event: IdentityRegistered) -> None:
        await users.create(transaction, event, outbox, clock())

    async def verified(transaction: Transaction, event: EmailVerified) -> None:
        await users.verify_email(transaction, event)

    async def profile_changed(transaction: Transaction, event: IdentityProfileChanged) -> None:
        await users.fill_in(transaction, event)

    async def changed(transaction: Transaction, event: EmailChanged) -> None:
        await users.change_email(transaction, event, outbox, clock())

    async def phone_changed(transaction: Transaction, event: PhoneChanged) -> None:
        await users.change_phone(transaction, event)

    async def failed(transaction: Transaction, event: SignInFailed) -> None:
        await users.count_failed_login(transaction, event)

    async def started(transaction: Transaction, event: SessionStarted) -> None:
        await sessions.start(transaction, event)

    async def ended(transaction: Transaction, event: SessionEnded) -> None:
        await sessions.end(transaction, event)

    async def suspended(transaction: Transaction, event: IdentitySuspended) -> None:
        await users.suspend(transaction, event)

    async def reinstated(transaction: Transaction, event: IdentityReinstated) -> None:
        await users.reinstate(transaction, event)

    async def erased(transaction: Transaction, event: IdentityErased) -> None:
        await erasures.identity_erased(transaction, outbox, event, clock())

    async def imported(transaction: Transaction, event: IdentitiesImported) -> None:
        await imports.arrive(transaction, event, clock())

    table: dict[type[Event], Handler] = {
        IdentitiesImported: imported,
        IdentityErased: erased,
        IdentityRegistered: registered,
        EmailVerified: verified,
        IdentityProfileChanged: profile_changed,
        EmailChanged: changed,
        PhoneChanged: phone_changed,
        UsernameChanged: users.change_username,
        SignInFailed: failed,
        SessionStarted: started,
        SessionEnded: ended,
        SecurityEpochRaised: _epoch_raised(outbox, clock),
        IdentitySuspended: suspended,
        IdentityReinstated: reinstated,
        ApiKeyUsed: api_keys.add_uses,
    }
    audited = {event: _audited("auth", clock, handler) for event, handler in table.items()}
    return {**audited, AuthAuditRecorded: _audited("auth", clock)}


def _epoch_raised(outbox: Outbox, clock: Clock) -> Handler:
    async def handle(transaction: Transaction, event: SecurityEpochRaised) -> None:
        await users.raise_epoch(transaction.connection, event.user_id, event.epoch)
        if event.undone_since is not None:
            await own_keys.revoke_since(transaction, outbox, event.user_id, event.undone_since, clock())

    return handle


def handlers_of_notifications(clock: Clock) -> Mapping[type[Event], Handler]:
    """What to do with each event of notifications' feed."""

    async def erased(transaction: Transaction, event: MessagesErased) -> None:
        await erasures.messages_erased(transaction, event, clock())

    return {
        MessagesErased: erased,
        NotificationsApiKeyUsed: api_keys.add_uses,
        NotificationsAuditRecorded: _audited("notifications", clock),
    }


def _audited(service: str, clock: Clock, handler: Handler | None = None) -> Handler:
    """Does what the handler does, and keeps in the audit trail what the event tells."""

    async def handle(transaction: Transaction, event: Event) -> None:
        if handler is not None:
            await handler(transaction, event)
        await heard.keep(transaction, service, event, clock())

    return handle
