"""Setting a new password without the old one, by a link in a mail.

There is no code beside the link: six digits that somebody else may ask for again and again would be guessed in the end,
and unlike a code to sign in with, this one would change who owns the account.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from orion_auth.addresses import normalise_email
from orion_auth.devices import actions as devices
from orion_auth.hashing import HashingLane
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.mailing import Letter, Mailing
from orion_auth.pacing import evenly
from orion_auth.password_policy import PasswordPolicy
from orion_auth.passwords import store
from orion_auth.passwords.actions import check, refuse_the_same
from orion_auth.passwords.rules import RESET_LIFETIME
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import PASSWORD_RESET, PASSWORD_RESET_REQUESTED
from orion_auth.sessions import actions as sessions
from orion_auth.tokens.actions import Bearer, Confirmed
from orion_auth.tokens.rules import BearerToken, parse
from orion_auth.verifications import actions as verifications
from orion_contracts.account_messages import MessageSecrets
from orion_core.database import Database, Transaction
from orion_core.errors import Problem
from orion_core.http.rate_limit import RateLimitState
from orion_core.secrets import hash_secret, new_secret, new_selector


@dataclass(frozen=True)
class OpenReset:
    """A request that may still be used, shown by whoever has its link."""

    id: UUID
    user_id: UUID
    email: str
    """Where the link was sent."""


async def ask(
    database: Database, mailing: Mailing, email_text: str, bearer: Bearer, now: datetime
) -> RateLimitState | None:
    """Mail a link to whoever has that address. The caller cannot tell whether somebody does."""
    email = normalise_email(email_text)
    async with database.autocommit() as connection:
        device = await devices.known(email, bearer).alone(connection)
    state = await rate_limits.take_password_reset(database, email or "", bearer.ip_address, now, device=device)
    async with evenly(), database.transaction() as transaction:
        identity = await identities.find_by_email(transaction.connection, email, now)
        if identity is not None:
            await send_link(transaction, mailing, identity, bearer, now)
    return state


async def send_link(
    transaction: Transaction, mailing: Mailing, identity: KnownIdentity, bearer: Bearer, now: datetime
) -> None:
    """Mail a link with which its reader sets a new password, once."""
    token, expires_at = BearerToken(new_selector(), new_secret()), now + RESET_LIFETIME
    values = {
        "user_id": identity.id,
        "email": identity.email,
        "token": token.selector,
        "token_hash": hash_secret(token.secret),
        "requested_at": now,
        "expires_at": expires_at,
        "ip_address": bearer.ip_address,
        "user_agent": bearer.user_agent,
    }
    await store.insert_reset(transaction.connection, values)
    letter = Letter(
        purpose="PASSWORD_RESET",
        channel="EMAIL",
        recipient=identity.email,
        user_id=identity.id,
        locale=identity.locale,
        secrets=MessageSecrets(link=f"{mailing.link_prefix}/auth/v1/password-resets/{token.text}"),
        expires_at=expires_at,
        ip_address=bearer.ip_address,
    )
    await mailing.send(transaction, letter, now)
    await security_events.note(
        transaction, mailing.outbox, PASSWORD_RESET_REQUESTED, identity, Circumstances.of(bearer), now
    )


async def find_open(database: Database, text: str, now: datetime) -> OpenReset | None:
    """The request behind a link, while it may be used. A wrong secret counts against it."""
    token = parse(text)
    if token is None:
        return None
    async with database.autocommit() as connection:
        row = await store.find_open(connection, token.selector, now)
        if row is None:
            return None
        if not hmac.compare_digest(row.token_hash, hash_secret(token.secret)):
            await store.count_wrong_secret(connection, row.id)
            return None
    return OpenReset(row.id, row.user_id, row.email)


async def reset(
    database: Database,
    mailing: Mailing,
    lane: HashingLane,
    policy: PasswordPolicy,
    *,
    token: str,
    password: str,
    bearer: Bearer,
    now: datetime,
) -> None:
    """Set the password of whoever the link was mailed to, and end all sessions; nobody is signed in by it.

    A 422 Problem leaves the link as good as it was; a 410 Problem says that it is not. What an administrator has locked
    stays locked, and the second factor is asked for as ever. The owner is told.
    """
    opened = await find_open(database, token, now)
    identity = await _whose(database, opened, now)
    if opened is None or identity is None:
        raise link_is_dead()
    await check(policy, password, [identity.email, identity.username])
    await refuse_the_same(lane, identity.password_hash, password)
    password_hash = await lane.hash(password)
    async with database.transaction() as transaction:
        if await identities.hold(transaction, identity.id, now) != identity:
            raise link_is_dead()
        if not await store.use(transaction.connection, opened.id, now):
            raise link_is_dead()
        await _set(transaction, mailing, identity, password_hash, bearer, now)


async def _whose(database: Database, opened: OpenReset | None, now: datetime) -> KnownIdentity | None:
    """The identity, if the address that got the link is still its own."""
    if opened is None:
        return None
    async with database.autocommit() as connection:
        identity = await identities.find(connection, opened.user_id, now)
    return identity if identity is not None and identity.email == opened.email else None


async def _set(
    transaction: Transaction,
    mailing: Mailing,
    identity: KnownIdentity,
    password_hash: str,
    bearer: Bearer,
    now: datetime,
) -> None:
    if identity.standing == "UNVERIFIED":
        # Whoever has read the mail has shown that the address is his.
        await verifications.verify(transaction, mailing, Confirmed(identity.id, identity.email, password_hash), now)
    await identities.set_password(transaction, identity.id, password_hash, now)
    await store.close_all(transaction.connection, identity.id, now)
    await sessions.end_all(
        transaction, mailing.outbox, identity.id, reason="PASSWORD_RESET", revoked_by=str(identity.id), now=now
    )
    await security_events.note(transaction, mailing.outbox, PASSWORD_RESET, identity, Circumstances.of(bearer), now)


def link_is_dead() -> Problem:
    """The answer to a link that cannot be used."""
    detail = (
        "This link was used, has expired, was followed by a newer one or was never one of ours. Ask for a new mail."
    )
    return Problem(410, "link_is_dead", "This link no longer works", detail)
