"""Registering."""

from dataclasses import dataclass
from datetime import datetime

from orion_auth.address_policy import AddressPolicy
from orion_auth.addresses import normalise_email
from orion_auth.hashing import HashingLane
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity, NewIdentity
from orion_auth.mailing import Mailing
from orion_auth.pacing import evenly
from orion_auth.password_policy import PasswordPolicy
from orion_auth.passwords import actions as passwords
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import REGISTRATION_REPEATED
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import Bearer
from orion_auth.verifications import actions as verifications
from orion_auth.verifications.actions import Waiting
from orion_contracts.events import IdentityRegistered
from orion_core.database import Database, Transaction
from orion_core.errors import FieldError, Problem, invalid_field
from orion_core.http.idempotency import Claim
from orion_core.http.rate_limit import RateLimitState


@dataclass(frozen=True)
class Applicant:
    """Who registers, in words of the request."""

    email: str
    username: str | None
    name: str | None
    locale: str
    timezone: str


async def register(
    database: Database,
    lane: HashingLane,
    policy: PasswordPolicy,
    addresses: AddressPolicy,
    mailing: Mailing,
    applicant: Applicant,
    password: str,
    *,
    bearer: Bearer,
    claim: Claim[RateLimitState | None],
    now: datetime,
) -> RateLimitState | None:
    """Create a pending identity and have its address verified.

    For an address that has an account already, the same is answered after the same time. A verified account does not
    change; it gets an entry in its security history. A pending one is mailed again, and each mail confirms the
    registration it was sent for, with the password given there. When it was registered from elsewhere too, no password
    is taken: its owner cannot tell the mails apart, and would confirm that of whoever registered his address to wait
    for him. He confirms it without one, and sets one by `POST /auth/v1/password-resets`. Nor is one taken for an
    account that was invited or brought in: rights may wait for its owner, who gets mails of both kinds.
    """
    email = normalise_email(applicant.email)
    if email is None:
        raise invalid_email()
    registered = await rate_limits.take_registration(database, bearer.ip_address, now)
    await addresses.check(email)
    await passwords.check(policy, password, [email, applicant.username, applicant.name])
    mailed = await rate_limits.take_verification_mail(database, email, bearer.ip_address, now)
    state = rate_limits.tightest([registered, mailed])
    password_hash = await lane.hash(password)
    new = NewIdentity(email, applicant.username, password_hash, applicant.locale)
    async with evenly(), database.transaction() as transaction:
        if await identities.username_is_taken(transaction.connection, new.username):
            raise username_taken()
        if not await _create(transaction, mailing, new, applicant, bearer, now):
            await _repeat(transaction, mailing, new, bearer, now)
        await claim.settle(transaction, state)
    return state


async def _create(
    transaction: Transaction, mailing: Mailing, new: NewIdentity, applicant: Applicant, bearer: Bearer, now: datetime
) -> bool:
    user_id = await identities.create(transaction, new, now)
    if user_id is None:
        return False
    registered = IdentityRegistered(
        user_id=user_id,
        email=new.email,
        username=new.username,
        name=applicant.name,
        locale=new.locale,
        timezone=applicant.timezone,
        registered_at=now,
    )
    await mailing.outbox.record(transaction, registered, now)
    waiting = Waiting(user_id, new.email, new.locale, new.password_hash)
    await verifications.request_mail(transaction, mailing, waiting, bearer, now)
    return True


async def _repeat(transaction: Transaction, mailing: Mailing, new: NewIdentity, bearer: Bearer, now: datetime) -> None:
    found = await identities.find_by_email(transaction.connection, new.email, now)
    known = await identities.hold(transaction, found.id, now) if found is not None else None
    if known is None:
        # The address is free, so it was the username, verified since we looked.
        raise username_taken()
    await _tell_owner(transaction, mailing, known, new.password_hash, bearer, now)


async def _tell_owner(
    transaction: Transaction,
    mailing: Mailing,
    known: KnownIdentity,
    password_hash: str | None,
    bearer: Bearer,
    now: datetime,
) -> None:
    if known.standing == "UNVERIFIED":
        if not known.is_claimed:
            password_hash = known.password_hash
        else:
            if await tokens.email_verification_is_disputed(transaction.connection, known.id, bearer):
                await verifications.forget_passwords(transaction, known.id)
                password_hash = None
            await identities.set_pending_password(transaction, known.id, password_hash, now)
        waiting = Waiting(known.id, known.email, known.locale, password_hash)
        await verifications.request_mail(transaction, mailing, waiting, bearer, now)
    else:
        circumstances = Circumstances.of(bearer)
        await security_events.note(transaction, mailing.outbox, REGISTRATION_REPEATED, known, circumstances, now)


def invalid_email() -> Problem:
    """What is said of text that is no address."""
    return invalid_field("/email", "invalid_email", "This is not an e-mail address that can get mail.")


def username_taken() -> Problem:
    """What is said when an identity has the username that keeps it."""
    error = FieldError(field="/username", code="username_taken", detail="Somebody has this username; choose another.")
    return Problem(409, "username_taken", "Username taken", "Choose another username.", errors=[error])
