"""Sending a code to a number, taking the code back, and making the number the account's.

Nobody signs in by this number, and it is no second factor: it is where other services reach the user.
"""

from datetime import datetime
from uuid import UUID

from orion_auth.addresses import normalise_phone
from orion_auth.callers import actions as callers
from orion_auth.gate import Gate
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity, VerifiedPhone
from orion_auth.mailing import Letter
from orion_auth.pacing import evenly
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import PHONE_CHANGED
from orion_auth.two_factor import actions as two_factor
from orion_auth.two_factor.rules import CHALLENGE_LIFETIME
from orion_auth.two_factor_methods import ChallengePurpose, TwoFactorMethod
from orion_contracts.account_messages import MessageSecrets
from orion_contracts.events import PhoneChanged
from orion_core.database import Database, Transaction
from orion_core.errors import Problem, invalid_field
from orion_core.http.rate_limit import RateLimitState, told_under

PURPOSE, SMS = ChallengePurpose.PHONE_VERIFICATION, TwoFactorMethod.SMS


async def read(database: Database, user_id: UUID) -> VerifiedPhone | None:
    """The number of the account, if there is one."""
    async with database.autocommit() as connection:
        return await identities.phone_of(connection, user_id)


async def ask(
    gate: Gate, user_id: UUID, phone_text: str, circumstances: Circumstances, now: datetime
) -> RateLimitState | None:
    """Send a code to the number; one that was sent before is worthless.

    When somebody else has the number, nothing is sent, and whoever asks cannot tell: the answer, what it costs and
    what is counted are the same. Messages are counted by user, number, range, country and altogether.
    """
    phone = normalise_phone(phone_text)
    if phone is None:
        raise invalid_phone()
    state = await rate_limits.take_two_factor_code(gate.database, user_id, now)
    await rate_limits.take_sms(gate.database, phone, now)
    expires_at = now + CHALLENGE_LIFETIME
    async with evenly(), gate.database.transaction() as transaction:
        identity = await identities.hold_caller(transaction, user_id, now)
        keyring, context = gate.mailing.keyring, {"phone": phone}
        code = await two_factor.open_code(transaction, keyring, user_id, PURPOSE, SMS, context, expires_at)
        if not await identities.phone_is_taken(transaction.connection, phone, by_other_than=user_id):
            letter = Letter(
                purpose="PHONE_VERIFICATION",
                channel="SMS",
                recipient=phone,
                user_id=user_id,
                locale=identity.locale,
                secrets=MessageSecrets(code=code),
                expires_at=expires_at,
                ip_address=circumstances.ip_address,
            )
            await gate.mailing.send(transaction, letter, now)
    return state


async def confirm(gate: Gate, user_id: UUID, code: str, circumstances: Circumstances, now: datetime) -> VerifiedPhone:
    """Make the number the account's that the code was sent to last; five tries.

    422 when the code is wrong; 409 when somebody else has taken the number meanwhile.
    """
    state = await rate_limits.take_set_up(gate.database, user_id, circumstances.session_id, now)
    async with gate.database.transaction() as transaction:
        identity = await callers.hold(transaction, user_id, circumstances.session_id, now)
        keyring = gate.mailing.keyring
        context = await two_factor.try_code(transaction, keyring, user_id, PURPOSE, SMS, code, now)
        phone: str | None = context["phone"] if context is not None else None
        is_made = phone is not None and await _change(transaction, gate, identity, phone, circumstances, now)
    if phone is None:
        detail = "The code is wrong, has expired or was used. Type it again, or ask for another one."
        raise told_under(state, Problem(422, "invalid_code", "Invalid code", detail))
    if not is_made:
        detail = "This number cannot be the one of your account. Nothing was changed; choose another one."
        raise Problem(409, "phone_unavailable", "Number not available", detail)
    return VerifiedPhone(phone, now)


async def remove(gate: Gate, user_id: UUID, circumstances: Circumstances, now: datetime) -> None:
    """Take the number off the account; 404 when there is none."""
    async with gate.database.transaction() as transaction:
        identity = await callers.hold(transaction, user_id, circumstances.session_id, now)
        if await identities.phone_of(transaction.connection, user_id) is None:
            raise Problem(404, "no_phone", "No phone number", "Your account has no phone number.")
        await _change(transaction, gate, identity, None, circumstances, now)


async def _change(
    transaction: Transaction,
    gate: Gate,
    identity: KnownIdentity,
    phone: str | None,
    circumstances: Circumstances,
    now: datetime,
) -> bool:
    before = await identities.phone_of(transaction.connection, identity.id)
    if not await identities.change_phone(transaction, identity.id, phone, now):
        return False
    previous = before.number if before is not None else None
    event = PhoneChanged(user_id=identity.id, phone=phone, previous=previous, changed_at=now)
    await gate.outbox.record(transaction, event, now)
    if phone != previous:
        told = security_events.changed(circumstances, {"phone": previous}, {"phone": phone})
        await security_events.note(transaction, gate.outbox, PHONE_CHANGED, identity, told, now)
    return True


def invalid_phone() -> Problem:
    """The answer to what is no number that can get messages."""
    detail = "This is no phone number that can get messages; write it as +47 912 34 567, with its country."
    return invalid_field("/phone", "invalid_phone", detail)
