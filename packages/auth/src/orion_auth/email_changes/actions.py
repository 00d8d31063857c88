"""Asking for another address, agreeing to it at both ends, and making the change."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.address_policy import AddressPolicy
from orion_auth.addresses import normalise_email
from orion_auth.base import AnyRow
from orion_auth.callers import actions as callers
from orion_auth.email_changes import store
from orion_auth.email_changes.rules import LIFETIME, Side
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.mailing import Letter, Mailing
from orion_auth.pacing import evenly
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import EMAIL_CHANGE_REFUSED, EMAIL_CHANGE_REQUESTED, EMAIL_CHANGED, Kind
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import Bearer
from orion_auth.tokens.rules import BearerToken, parse
from orion_auth.two_factor import actions as two_factor
from orion_contracts.account_messages import MessageSecrets
from orion_contracts.events import EmailChanged
from orion_core.database import Database, Transaction
from orion_core.errors import Problem, invalid_field
from orion_core.http.rate_limit import RateLimitState
from orion_core.secrets import hash_secret, new_secret, new_selector


@dataclass(frozen=True)
class Found:
    """The change that a link belongs to, and which end's link it is."""

    row: AnyRow
    side: Side


async def ask(
    database: Database,
    mailing: Mailing,
    policy: AddressPolicy,
    user_id: UUID,
    session_id: UUID,
    email_text: str,
    *,
    bearer: Bearer,
    now: datetime,
) -> RateLimitState | None:
    """Mail a link to the old and to the new address. An earlier change that is under way is cancelled.

    When somebody else has the new address, and has shown that it is his, only the old one is mailed, and the change
    never comes about; whoever asks cannot tell.
    """
    email = normalise_email(email_text)
    if email is None:
        raise _invalid_email()
    await policy.check(email)
    state = await rate_limits.take_verification_mail(database, email, bearer.ip_address, now)
    async with evenly(), database.transaction() as transaction:
        identity = await callers.hold(transaction, user_id, session_id, now)
        if identity.email == email:
            raise _same_address()
        holder = await identities.find_by_email(transaction.connection, email, now)
        is_free = holder is None or holder.standing == "UNVERIFIED"
        await store.cancel(transaction.connection, user_id, now)
        await _open(transaction, mailing, identity, email, bearer, now, mails_new=is_free)
        await _note(transaction, mailing, EMAIL_CHANGE_REQUESTED, identity, bearer, now)
    return state


async def cancel(database: Database, user_id: UUID, now: datetime) -> None:
    """Cancel the change that is under way; 404 when there is none."""
    async with database.autocommit() as connection:
        if not await store.cancel(connection, user_id, now):
            raise Problem(404, "no_email_change", "No change under way", "Your address is not being changed.")


async def take_back(transaction: Transaction, user_id: UUID, _: datetime, now: datetime) -> int:
    """Cancel the change that is under way, and say whether there was one. The caller holds the user.

    Its links are in two mailboxes, and one of them may be a stranger's: whoever reads the other must not agree by
    mistake.
    """
    return int(await store.cancel(transaction.connection, user_id, now))


async def look_up(database: Database, token: str, now: datetime) -> Found:
    """The change that a link belongs to; nothing is changed. 410 for a link that is of no use (any more)."""
    async with database.autocommit() as connection:
        return await _find(connection, token, now)


async def confirm(database: Database, mailing: Mailing, token: str, bearer: Bearer, now: datetime) -> bool:
    """Agree at one end; whether the change is made now, which is when both have agreed.

    409 when somebody else has taken the address meanwhile; the change is over then.
    """
    async with database.transaction() as transaction:
        whose = (await _find(transaction.connection, token, now)).row.user_id
        await identities.hold(transaction, whose, now)  # before the change, as whoever asks for another one
        found = await _find(transaction.connection, token, now, lock=True)
        times = {"NEW": found.row.new_confirmed_at, "OLD": found.row.old_confirmed_at}
        times[found.side] = times[found.side] or now
        values: dict[str, datetime] = {f"{found.side.lower()}_confirmed_at": times[found.side]}
        if not all(times.values()):
            await store.set_times(transaction.connection, found.row.id, values)
            return False
        made = await _make(transaction, mailing, found.row, bearer, now)
        values |= {"completed_at": now} if made else {"cancelled_at": now}
        await store.set_times(transaction.connection, found.row.id, values)
    if not made:
        detail = "Somebody else has this address by now. Nothing was changed."
        raise Problem(409, "email_taken", "Address taken", detail)
    return True


async def refuse(database: Database, mailing: Mailing, token: str, bearer: Bearer, now: datetime) -> None:
    """Cancel the change from either end: "this was not me"."""
    async with database.transaction() as transaction:
        found = await _find(transaction.connection, token, now, lock=True)
        await store.set_times(transaction.connection, found.row.id, {"cancelled_at": now})
        owner = await identities.find(transaction.connection, found.row.user_id, now)
        if owner is not None:
            await _note(transaction, mailing, EMAIL_CHANGE_REFUSED, owner, bearer, now)


async def _open(
    transaction: Transaction,
    mailing: Mailing,
    identity: KnownIdentity,
    new_email: str,
    bearer: Bearer,
    now: datetime,
    *,
    mails_new: bool,
) -> None:
    old, new = (BearerToken(new_selector(), new_secret()) for _ in range(2))
    values: dict[str, Any] = {
        "user_id": identity.id,
        "old_email": identity.email,
        "new_email": new_email,
        "old_selector": old.selector,
        "old_secret_hash": hash_secret(old.secret),
        "new_selector": new.selector,
        "new_secret_hash": hash_secret(new.secret),
        "expires_at": now + LIFETIME,
        "ip_address": bearer.ip_address,
        "user_agent": bearer.user_agent,
    }
    await store.insert_change(transaction.connection, values)
    for recipient, token in ((identity.email, old), *([(new_email, new)] if mails_new else [])):
        letter = Letter(
            purpose="EMAIL_CHANGE",
            channel="EMAIL",
            recipient=recipient,
            user_id=identity.id,
            locale=identity.locale,
            secrets=MessageSecrets(link=f"{mailing.link_prefix}/auth/v1/email-changes/{token.text}"),
            expires_at=now + LIFETIME,
            ip_address=bearer.ip_address,
        )
        await mailing.send(transaction, letter, now)


async def _find(connection: AsyncConnection, text: str, now: datetime, *, lock: bool = False) -> Found:
    token = parse(text)
    row = await store.find(connection, token.selector, now, lock=lock) if token is not None else None
    if token is None or row is None:
        raise _dead()
    side: Side = "NEW" if row.new_selector == token.selector else "OLD"
    expected = row.new_secret_hash if side == "NEW" else row.old_secret_hash
    if not hmac.compare_digest(expected, hash_secret(token.secret)):
        raise _dead()
    return Found(row, side)


async def _make(transaction: Transaction, mailing: Mailing, row: AnyRow, bearer: Bearer, now: datetime) -> bool:
    owner = await identities.hold(transaction, row.user_id, now)
    if owner is None or owner.email != row.old_email:
        return False
    if not await identities.change_email(transaction, row.user_id, row.old_email, row.new_email, now):
        return False
    await tokens.take_back_mailed_keys(transaction, row.user_id, now)
    await two_factor.take_back_codes(transaction, row.user_id)
    # The old address hears of this last of all; the new one learns from which moment on it is the account's.
    both = row.old_email, row.new_email
    circumstances = security_events.changed(
        Circumstances.of(bearer), {"email": row.old_email}, {"email": row.new_email}
    )
    await security_events.note(transaction, mailing.outbox, EMAIL_CHANGED, owner, circumstances, now, addresses=both)
    event = EmailChanged(user_id=row.user_id, email=row.new_email, previous=row.old_email, changed_at=now)
    await mailing.outbox.record(transaction, event, now)
    return True


async def _note(
    transaction: Transaction, mailing: Mailing, kind: Kind, whose: KnownIdentity, bearer: Bearer, now: datetime
) -> None:
    await security_events.note(transaction, mailing.outbox, kind, whose, Circumstances.of(bearer), now)


def _invalid_email() -> Problem:
    return invalid_field("/email", "invalid_email", "This is not an e-mail address that can get mail.")


def _same_address() -> Problem:
    return invalid_field("/email", "same_email", "This is your address already.")


def _dead() -> Problem:
    detail = "This link was used, was cancelled, has expired or was never one of ours. Ask for the change again."
    return Problem(410, "link_is_dead", "This link no longer works", detail)
