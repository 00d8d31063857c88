"""Setting where an account is recovered: each contact counts once a code that was sent there has come back."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from orion_auth.address_policy import AddressPolicy
from orion_auth.addresses import normalise_email, normalise_phone
from orion_auth.callers import actions as callers
from orion_auth.gate import Gate
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.mailing import Letter
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.recoveries import actions as recoveries
from orion_auth.recoveries.rules import mailboxes
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import RECOVERY_CHANGED
from orion_auth.two_factor import actions as two_factor
from orion_auth.two_factor.rules import CHALLENGE_LIFETIME
from orion_auth.two_factor_methods import ChallengePurpose, RecoveryContacts, TwoFactorMethod
from orion_contracts.account_messages import MessageSecrets
from orion_core.database import Database, Transaction
from orion_core.errors import Problem, invalid_field
from orion_core.http.rate_limit import RateLimitState, told_under
from orion_core.tables import IpAddress

Channel = Literal["EMAIL", "SMS"]

PURPOSE = ChallengePurpose.ENROLMENT
METHOD = "RECOVERY"
"""What tells the codes of a recovery contact from those of a second factor, which are set up in the same way."""


async def read(database: Database, user_id: UUID) -> RecoveryContacts:
    """Where the account is recovered."""
    async with database.autocommit() as connection:
        return await two_factor.recovery_contacts(connection, user_id)


async def ask_email(
    gate: Gate, policy: AddressPolicy, user_id: UUID, email_text: str, ip_address: IpAddress, now: datetime
) -> RateLimitState | None:
    """Send a code to another address of the user's; not to that of the account, which would be no second way."""
    if not gate.factor_policy.recovers_by_email:
        detail = "This installation recovers no account by mail; name a phone instead."
        raise Problem(403, "recovery_by_email_off", "Not by mail", detail)
    email = normalise_email(email_text)
    if email is None:
        raise invalid_field("/email", "invalid_email", "This is not an e-mail address that can get mail.")
    await policy.check(email)
    await rate_limits.take_two_factor_code(gate.database, user_id, now)
    state = await rate_limits.take_verification_mail(gate.database, email, ip_address, now)
    await _send(gate, user_id, "EMAIL", email, ip_address, now)
    return state


async def ask_phone(
    gate: Gate, user_id: UUID, phone_text: str, ip_address: IpAddress, now: datetime
) -> RateLimitState | None:
    """Send a code to a phone of the user's."""
    phone = normalise_phone(phone_text)
    if phone is None:
        detail = "This is no phone number that can get messages; write it as +47 912 34 567, with its country."
        raise invalid_field("/phone", "invalid_phone", detail)
    state = await rate_limits.take_two_factor_code(gate.database, user_id, now)
    await rate_limits.take_sms(gate.database, phone, now)
    await _send(gate, user_id, "SMS", phone, ip_address, now)
    return state


async def confirm(
    gate: Gate, user_id: UUID, channel: Channel, code: str, circumstances: Circumstances, now: datetime
) -> RecoveryContacts:
    """Recover the account by the contact that the code was sent to last; five tries, 422 when it is wrong."""
    state = await rate_limits.take_set_up(gate.database, user_id, circumstances.session_id, now)
    async with gate.database.transaction() as transaction:
        identity = await callers.hold(transaction, user_id, circumstances.session_id, now)
        method, keyring = TwoFactorMethod[channel], gate.mailing.keyring
        context = await two_factor.try_code(transaction, keyring, user_id, PURPOSE, method, code, now)
        recipient: str | None = context["recipient"] if context and context["method"] == METHOD else None
        if recipient is not None and recipient != identity.email:
            await _set(transaction, gate, identity, channel, recipient, circumstances, now)
        contacts = await two_factor.recovery_contacts(transaction.connection, user_id)
    if recipient is None:
        detail = "The code is wrong, has expired or was used. Type it again, or ask for another one."
        raise told_under(state, Problem(422, "invalid_code", "Invalid code", detail))
    return contacts


async def remove(gate: Gate, user_id: UUID, channel: Channel, circumstances: Circumstances, now: datetime) -> None:
    """Recover the account by that contact no more; 404 when there is none."""
    async with gate.database.transaction() as transaction:
        identity = await callers.hold(transaction, user_id, circumstances.session_id, now)
        contacts = await two_factor.recovery_contacts(transaction.connection, user_id)
        if (contacts.email if channel == "EMAIL" else contacts.phone) is None:
            raise Problem(404, "no_recovery_contact", "No such contact", "Your account has no such recovery contact.")
        await _set(transaction, gate, identity, channel, None, circumstances, now)


async def _set(
    transaction: Transaction,
    gate: Gate,
    identity: KnownIdentity,
    channel: Channel,
    recipient: str | None,
    circumstances: Circumstances,
    now: datetime,
) -> None:
    """Change a contact, end a recovery that is under way, and tell whoever reads the old address too."""
    before = await two_factor.recovery_contacts(transaction.connection, identity.id)
    if channel == "EMAIL":
        await two_factor.set_recovery_email(transaction, identity.id, recipient, now)
    else:
        await two_factor.set_recovery_phone(transaction, identity.id, recipient, now)
    await recoveries.cancel_open(transaction, gate.outbox, identity, circumstances, now)
    told = mailboxes(before, identity.email)
    field, previous = ("email", before.email) if channel == "EMAIL" else ("phone", before.phone)
    detailed = security_events.changed(circumstances, {f"recovery_{field}": previous}, {f"recovery_{field}": recipient})
    await security_events.note(transaction, gate.outbox, RECOVERY_CHANGED, identity, detailed, now, addresses=told)


async def _send(
    gate: Gate, user_id: UUID, channel: Channel, recipient: str, ip_address: IpAddress, now: datetime
) -> None:
    expires_at, keyring = now + CHALLENGE_LIFETIME, gate.mailing.keyring
    async with gate.database.transaction() as transaction:
        identity = await identities.hold_caller(transaction, user_id, now)
        if recipient == identity.email:
            detail = "This is the address of your account already; a recovery needs another one."
            raise invalid_field("/email", "same_email", detail)
        context = {"method": METHOD, "recipient": recipient}
        code = await two_factor.open_code(
            transaction, keyring, user_id, PURPOSE, TwoFactorMethod[channel], context, expires_at
        )
        letter = Letter(
            purpose="RECOVERY_CONTACT",
            channel=channel,
            recipient=recipient,
            user_id=user_id,
            locale=identity.locale,
            secrets=MessageSecrets(code=code),
            expires_at=expires_at,
            ip_address=ip_address,
        )
        await gate.mailing.send(transaction, letter, now)
