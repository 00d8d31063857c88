"""Inviting somebody, and accepting."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth import audit_trail
from orion_auth.addresses import normalise_email
from orion_auth.audit_trail import Entry
from orion_auth.base import AnyRow
from orion_auth.hashing import HashingLane
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity, NewIdentity
from orion_auth.invitations import store
from orion_auth.invitations.rules import LIFETIME
from orion_auth.mailing import Letter, Mailing
from orion_auth.password_policy import PasswordPolicy
from orion_auth.passwords import actions as passwords
from orion_auth.registrations.actions import invalid_email, username_taken
from orion_auth.tokens.actions import Confirmed
from orion_auth.tokens.rules import BearerToken, parse
from orion_auth.verifications import actions as verifications
from orion_contracts.account_messages import MessageSecrets
from orion_contracts.events import IdentityRegistered
from orion_core.database import Database, Transaction
from orion_core.errors import Problem
from orion_core.ids import uuid7
from orion_core.secrets import hash_secret, new_secret, new_selector


@dataclass(frozen=True)
class Guest:
    """Who is invited, in words of the request."""

    email: str
    username: str | None
    name: str | None
    locale: str
    timezone: str


@dataclass(frozen=True)
class Sent:
    """An invitation that was sent."""

    id: UUID
    user_id: UUID
    email: str
    invited_by: str
    expires_at: datetime


async def list_open(database: Database, before: UUID | None, limit: int, now: datetime) -> list[Sent]:
    """Invitations that could be accepted now, those to the latest accounts first; `before` is the last of a page."""
    async with database.autocommit() as connection:
        rows = await store.open_ones(connection, before, limit, now)
    return [Sent(row.id, row.user_id, row.email, row.invited_by, row.expires_at) for row in rows]


async def invite(database: Database, mailing: Mailing, guest: Guest, invited_by: str, now: datetime) -> Sent:
    """Prepare an account for somebody and mail him a link to make it his own.

    An address that waits to be verified is invited again, and the earlier link dies. If somebody has registered it, his
    password is forgotten, in mails on their way too. 409 when the address has an account: an administrator may know.
    Nothing limits invitations but who may send them.
    """
    email = normalise_email(guest.email)
    if email is None:
        raise invalid_email()
    async with database.transaction() as transaction:
        identity = await _hold(transaction, mailing, guest, email, now)
        if identity.standing != "UNVERIFIED":
            detail = "Somebody has an account with this address already. Nothing was sent."
            raise Problem(409, "identity_exists", "Account exists", detail)
        await verifications.forget_passwords(transaction, identity.id)
        await identities.forget_pending_password(transaction, identity.id)
        sent = await _send(transaction, mailing, identity, invited_by, now)
        new = {"email": sent.email, "expires_at": sent.expires_at}
        entry = Entry("invitation.create", "invitation", str(sent.id), sent.user_id, new=new, by=invited_by)
        await audit_trail.record(transaction, entry, now)
        return sent


async def cancel(database: Database, invitation_id: UUID, now: datetime) -> None:
    """Take an invitation back: its link is dead. 404 when it is not open."""
    async with database.transaction() as transaction:
        if not await store.cancel(transaction.connection, invitation_id, now):
            raise Problem(404, "no_such_invitation", "No such invitation", "No open invitation has this id.")
        await audit_trail.record(transaction, Entry("invitation.delete", "invitation", str(invitation_id)), now)


async def look_up(database: Database, token: str, now: datetime) -> None:
    """Return when the link is good; nothing is changed. 410 for one that is of no use (any more)."""
    async with database.autocommit() as connection:
        await _find(connection, token, now)


async def accept(
    database: Database,
    lane: HashingLane,
    policy: PasswordPolicy,
    mailing: Mailing,
    token: str,
    password: str,
    now: datetime,
) -> None:
    """Make the account the own of whoever reads the mail, under the password that he chooses.

    A password that is refused leaves the invitation as it is. 410 for a link that is of no use (any more).
    """
    async with database.autocommit() as connection:
        invitation = await _find(connection, token, now)
        identity = await identities.find(connection, invitation.user_id, now)
    await passwords.check(policy, password, [invitation.email, identity.username if identity is not None else None])
    password_hash = await lane.hash(password)
    confirmed = Confirmed(invitation.user_id, invitation.email, password_hash)
    async with database.transaction() as transaction:
        await identities.hold(transaction, invitation.user_id, now)  # before the invitation, as whoever sends another
        if not await store.accept(transaction.connection, invitation.id, now):
            raise link_is_dead()
        if not await verifications.verify(transaction, mailing, confirmed, now):
            raise link_is_dead()


async def _hold(transaction: Transaction, mailing: Mailing, guest: Guest, email: str, now: datetime) -> KnownIdentity:
    """The account of the address, made where there is none; of several who invite it at once, each waits for the last.

    409 when the username is taken.
    """
    known = await identities.find_by_email(transaction.connection, email, now)
    user_id = known.id if known is not None else await _prepare(transaction, mailing, guest, email, now)
    if user_id is None:  # something of it was taken since we looked
        known = await identities.find_by_email(transaction.connection, email, now)
        user_id = known.id if known is not None else None
    identity = await identities.hold(transaction, user_id, now) if user_id is not None else None
    if identity is None:
        raise username_taken()
    return identity


async def _prepare(transaction: Transaction, mailing: Mailing, guest: Guest, email: str, now: datetime) -> UUID | None:
    if await identities.username_is_taken(transaction.connection, guest.username, prepares=True):
        raise username_taken()
    new = NewIdentity(email, guest.username, None, guest.locale)
    user_id = await identities.create(transaction, new, now, prepares=True)
    if user_id is None:
        return None
    registered = IdentityRegistered(
        user_id=user_id,
        email=email,
        username=guest.username,
        name=guest.name,
        locale=guest.locale,
        timezone=guest.timezone,
        registered_at=now,
    )
    await mailing.outbox.record(transaction, registered, now)
    return user_id


async def _send(
    transaction: Transaction, mailing: Mailing, identity: KnownIdentity, invited_by: str, now: datetime
) -> Sent:
    token = BearerToken(new_selector(), new_secret())
    sent = Sent(uuid7(), identity.id, identity.email, invited_by, now + LIFETIME)
    values: dict[str, Any] = {
        "id": sent.id,
        "user_id": identity.id,
        "email": identity.email,
        "selector": token.selector,
        "secret_hash": hash_secret(token.secret),
        "invited_by": invited_by,
        "expires_at": sent.expires_at,
    }
    await store.cancel_open(transaction.connection, identity.id, now)
    await store.insert_invitation(transaction.connection, values)
    letter = Letter(
        purpose="INVITATION",
        channel="EMAIL",
        recipient=identity.email,
        user_id=identity.id,
        locale=identity.locale,
        secrets=MessageSecrets(link=f"{mailing.link_prefix}/auth/v1/invitation-links/{token.text}"),
        expires_at=sent.expires_at,
        ip_address=None,
    )
    await mailing.send(transaction, letter, now)
    return sent


async def _find(connection: AsyncConnection, text: str, now: datetime) -> AnyRow:
    token = parse(text)
    row = await store.find(connection, token.selector, now) if token is not None else None
    if token is None or row is None or not hmac.compare_digest(row.secret_hash, hash_secret(token.secret)):
        raise link_is_dead()
    return row


def link_is_dead() -> Problem:
    """The answer to a link that cannot be used."""
    detail = "This invitation was accepted, was taken back, has expired or was never one of ours. Ask for another one."
    return Problem(410, "link_is_dead", "This link no longer works", detail)
