""" "This wasn't me": making the link for a notice, and what pressing its button does."""

import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from orion_auth.devices import actions as devices
from orion_auth.disavowals import store
from orion_auth.disavowals.rules import LIFETIME
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.mailing import Mailing
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import DEVICE_DISAVOWED
from orion_auth.sessions import actions as sessions
from orion_auth.taking_back import TakeBack
from orion_auth.tokens.actions import Bearer
from orion_auth.tokens.rules import BearerToken, parse
from orion_contracts.account_messages import MessageSecrets, SecurityNoticeRaised
from orion_core.database import Database, Transaction
from orion_core.errors import Problem
from orion_core.secrets import hash_secret, new_secret

LinkState = Literal["GOOD", "USED", "UNKNOWN"]


async def seal_link(
    transaction: Transaction, mailing: Mailing, notice_id: UUID, whose: KnownIdentity, bearer: Bearer, now: datetime
) -> str:
    """A link for the notice of this id, sealed for notifications alone."""
    token = BearerToken(notice_id.hex, new_secret())
    values = {
        "id": notice_id,
        "user_id": whose.id,
        "device_id": bearer.device_id,
        "secret_hash": hash_secret(token.secret),
        "expires_at": now + LIFETIME,
    }
    await store.insert_disavowal(transaction.connection, values)
    secrets = MessageSecrets(link=f"{mailing.link_prefix}/auth/v1/disavowals/{token.text}")
    place = SecurityNoticeRaised.associated_data(notice_id, whose.id)
    return mailing.event_keyring.seal_text(secrets.model_dump_json(exclude_none=True), place)


async def look_up(database: Database, text: str, now: datetime) -> LinkState:
    """What pressing the button would meet; changes nothing. An expired link is as unknown."""
    token = _read(text)
    if token is None:
        return "UNKNOWN"
    notice_id, secret_hash = token
    async with database.autocommit() as connection:
        found = await store.find(connection, notice_id)
    if found is None or not hmac.compare_digest(found.secret_hash, secret_hash) or found.expires_at <= now:
        return "UNKNOWN"
    return "GOOD" if found.used_at is None else "USED"


async def disavow(
    database: Database,
    mailing: Mailing,
    text: str,
    bearer: Bearer,
    now: datetime,
    take_back: Sequence[TakeBack] = (),
) -> None:
    """End all sessions, block the device, trust none of the others, and take the password away until a reset.

    What was added since that sign-in and lets somebody in is taken back: passkeys, second factors, linked accounts,
    contacts for a recovery, and a change of address that is under way; and user, which hears of it, ends the API keys
    that were made since.

    Whoever came in may have been given more than a session: none of it is left. Without a password nobody signs in by
    one, and a reset goes to the owner's mailbox. Of several presses one does it; the others get a 410 Problem.
    """
    token = _read(text)
    async with database.transaction() as transaction:
        used = await store.use(transaction.connection, *token, now) if token else None
        identity = await identities.hold(transaction, used.user_id, now) if used else None
        if used is None or identity is None:
            raise link_is_dead()
        await identities.forget_password(transaction, identity.id)
        since = used.expires_at - LIFETIME
        taken_back = [await take(transaction, identity.id, since, now) for take in take_back]
        await devices.end_all_trust(transaction, identity.id)
        if used.device_id is not None:
            await devices.block(transaction, identity.id, used.device_id)
        ended = await sessions.end_all(
            transaction,
            mailing.outbox,
            identity.id,
            reason="DEVICE_DISAVOWED",
            revoked_by=str(identity.id),
            now=now,
            undone_since=since,
        )
        details = {"sessions_ended": ended, "taken_back": sum(taken_back)}
        circumstances = Circumstances.of(bearer, device_id=used.device_id, details=details)
        await security_events.note(transaction, mailing.outbox, DEVICE_DISAVOWED, identity, circumstances, now)


def link_is_dead() -> Problem:
    """The answer to a link that cannot be used."""
    detail = (
        "This link was used, has expired or was never one of ours. You can end all sessions and reset your password."
    )
    return Problem(410, "link_is_dead", "This link no longer works", detail)


def _read(text: str) -> tuple[UUID, bytes] | None:
    token = parse(text)
    try:
        return (UUID(hex=token.selector), hash_secret(token.secret)) if token else None
    except ValueError:
        return None
