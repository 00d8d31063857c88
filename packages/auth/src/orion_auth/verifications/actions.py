"""Asking for verification mails, and taking back what they carried."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from orion_auth.addresses import normalise_email
from orion_auth.identities import actions as identities
from orion_auth.mailing import Mailing
from orion_auth.pacing import evenly
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import Bearer, Confirmed
from orion_auth.two_factor import actions as two_factor
from orion_auth.verifications.rules import LIFETIME
from orion_contracts.events import EmailVerificationRequested, EmailVerified, VerificationSecrets
from orion_core.database import Database, Transaction
from orion_core.errors import Problem
from orion_core.http.rate_limit import RateLimitState, told_under
from orion_core.ids import uuid7
from orion_core.tables import IpAddress

TokenState = Literal["GOOD", "USED", "UNKNOWN"]


@dataclass(frozen=True)
class Waiting:
    """Whose address waits to be verified, and the password that is theirs once it is."""

    user_id: UUID
    email: str
    locale: str
    password_hash: str | None = field(repr=False)


async def request_mail(
    transaction: Transaction, mailing: Mailing, waiting: Waiting, bearer: Bearer, now: datetime
) -> None:
    """Have a link and a code mailed, in the transaction of what makes it necessary."""
    expires_at, user_id, email = now + LIFETIME, waiting.user_id, waiting.email
    confirmed = Confirmed(user_id, email, waiting.password_hash)
    token = await tokens.issue_email_verification(transaction, confirmed, bearer, now=now, expires_at=expires_at)
    code = await two_factor.open_email_verification(transaction, mailing.keyring, confirmed, expires_at=expires_at)
    secrets = VerificationSecrets(link=f"{mailing.link_prefix}/auth/v1/verifications/{token}", code=code)
    sealed = mailing.event_keyring.seal_text(
        secrets.model_dump_json(), EmailVerificationRequested.associated_data(user_id)
    )
    event = EmailVerificationRequested(
        user_id=user_id,
        email=email,
        locale=waiting.locale,
        requested_at=now,
        ip_address=bearer.ip_address,
        expires_at=expires_at,
        secrets=sealed,
    )
    await mailing.outbox.record(transaction, event, now)


async def resend(
    database: Database, mailing: Mailing, email_text: str, bearer: Bearer, now: datetime
) -> RateLimitState | None:
    """Mail another link and code if the address waits for it. The caller cannot tell whether it did."""
    email = normalise_email(email_text)
    state = await rate_limits.take_verification_mail(database, email or "", bearer.ip_address, now)
    async with evenly(), database.transaction() as transaction:
        identity = await identities.find_by_email(transaction.connection, email, now)
        if identity is not None and identity.standing == "UNVERIFIED":
            waiting = Waiting(identity.id, identity.email, identity.locale, identity.password_hash)
            await request_mail(transaction, mailing, waiting, bearer, now)
    return state


async def look_up(database: Database, token: str, now: datetime) -> TokenState:
    """What confirming with this token would meet; changes nothing."""
    async with database.autocommit() as connection:
        return await tokens.email_verification_state(connection, token, now)


async def confirm_by_link(database: Database, mailing: Mailing, token: str, now: datetime) -> None:
    """Verify the address that the link was sent to. Of several presses one does it; the others get a 410 Problem."""
    async with database.transaction() as transaction:
        await _hold_owner(transaction, token, now)
        confirmed = await tokens.use_email_verification(transaction, token, now)
        if confirmed is None or not await verify(transaction, mailing, confirmed, now):
            raise link_is_dead()


async def confirm_by_code(
    database: Database, mailing: Mailing, email_text: str, code: str, address: IpAddress, now: datetime
) -> RateLimitState | None:
    """Verify an address by the code sent to it; a 422 Problem when the code is wrong. Every try counts."""
    email = normalise_email(email_text)
    state = await rate_limits.take_verification_code(database, email or "", address, now)
    async with evenly(), database.transaction() as transaction:
        verified = await _try_code(transaction, mailing, email, code, now)
    if not verified:
        detail = "The code is wrong, has expired or was used. Type it again, or ask for another mail."
        raise told_under(state, Problem(422, "invalid_code", "Invalid code", detail))
    return state


async def _hold_owner(transaction: Transaction, token: str, now: datetime) -> None:
    """Hold whose link it is before the link itself: several mails that are confirmed at once wait for each other in one
    order, since each of them takes the passwords off all.
    """
    user_id = await tokens.email_verification_owner(transaction.connection, token)
    if user_id is not None:
        await identities.hold(transaction, user_id, now)


async def _try_code(transaction: Transaction, mailing: Mailing, email: str | None, code: str, now: datetime) -> bool:
    identity = await identities.find_by_email(transaction.connection, email, now)
    # Nobody's id when there is no such identity, so that the same statements run.
    user_id = identity.id if identity is not None else uuid7()
    await identities.hold(transaction, user_id, now)
    confirmed = await two_factor.try_email_verification(transaction, mailing.keyring, user_id, code, now)
    return confirmed is not None and await verify(transaction, mailing, confirmed, now)


async def verify(transaction: Transaction, mailing: Mailing, confirmed: Confirmed, now: datetime) -> bool:
    """Note that somebody has shown to read the mails of this address, and tell of it; False when that was known."""
    verified = await identities.verify_email(
        transaction, confirmed.user_id, confirmed.email, confirmed.password_hash, now
    )
    if verified is None:
        return False
    await forget_passwords(transaction, confirmed.user_id)
    event = EmailVerified(user_id=confirmed.user_id, email=confirmed.email, username=verified.username, verified_at=now)
    await mailing.outbox.record(transaction, event, now)
    return True


async def forget_passwords(transaction: Transaction, user_id: UUID) -> None:
    """Let no link and no code that was mailed bring a password with it."""
    await tokens.forget_passwords(transaction, user_id)
    await two_factor.forget_passwords(transaction, user_id)


async def take_as_verified(
    transaction: Transaction, mailing: Mailing, user_id: UUID, email: str, now: datetime
) -> bool:
    """Note an address that was proved elsewhere, such as by a provider that is trusted for it.

    Whoever registered it before had not proved that it is his, so no password that was given for it stays.
    """
    return await verify(transaction, mailing, Confirmed(user_id, email, None), now)


def link_is_dead() -> Problem:
    """The answer to a link that cannot be used."""
    detail = "This link was used, has expired or was never one of ours. If the address still waits, ask for a new mail."
    return Problem(410, "link_is_dead", "This link no longer works", detail)
