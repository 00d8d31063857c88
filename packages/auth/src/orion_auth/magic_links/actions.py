"""Sending a mail to sign in with, and letting in whoever has read it.

One token of auth_tokens stands for one mail. Its link and its code are two ways to use it up, so after one the other is
worthless. The code is short: it is good only together with a secret that whoever asked for the mail was given, so that
guessing codes needs a mail for each five guesses, and mails are limited.
"""

import time
from dataclasses import dataclass, field, replace
from datetime import datetime

from orion_auth.addresses import normalise_email
from orion_auth.admission.actions import Visit, admit, recorded_if_limited
from orion_auth.admission.rules import Proof
from orion_auth.devices import actions as devices
from orion_auth.gate import Gate
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.login_attempts import actions as login_attempts
from orion_auth.login_attempts.actions import Finding
from orion_auth.login_attempts.rules import LoginMethod
from orion_auth.magic_links.rules import LIFETIME
from orion_auth.mailing import Letter, Mailing
from orion_auth.pacing import evenly
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.rate_limits.rules import on_device
from orion_auth.sessions.actions import Grant
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import Bearer, MailedKey
from orion_auth.two_factor.actions import Challenged
from orion_contracts.account_messages import MessageSecrets
from orion_core.database import Database, Transaction
from orion_core.errors import Problem
from orion_core.http.rate_limit import RateLimitState, told_under
from orion_core.networks import network
from orion_core.secrets import new_code

PROOF = Proof(("otp",), is_by_email=True)
"""RFC 8176 has no word for a mail; what it holds is good once."""


@dataclass(frozen=True)
class Asked:
    """A mail was asked for; nobody but its reader knows whether one was sent."""

    handle: str = field(repr=False)
    limit: RateLimitState | None


async def ask(
    database: Database, mailing: Mailing, app_url: str | None, email_text: str, bearer: Bearer, now: datetime
) -> Asked:
    """Mail a code, and a link where the application has a page for it, to an identity in good standing.

    Whoever asks gets a handle in any case, after the same time.
    """
    email = normalise_email(email_text)
    async with database.autocommit() as connection:
        device = await devices.known(email, bearer).alone(connection)
    limit = await rate_limits.take_sign_in_mail(database, email or "", bearer.ip_address, now, device=device)
    key = tokens.new_mailed_key()
    async with evenly(), database.transaction() as transaction:
        identity = await identities.find_by_email(transaction.connection, email, now)
        if identity is not None and identity.standing == "GOOD":
            asked_for = on_device(device) if device is not None else network(bearer.ip_address)
            await _mail(transaction, mailing, app_url, identity, key, bearer, now, asked_for)
    return Asked(key.handle, limit)


async def sign_in_by_code(
    gate: Gate, mailing: Mailing, handle: str, code: str, bearer: Bearer, now: datetime, *, remember: bool = True
) -> Grant | Challenged:
    """Begin a session with the code of a mail; 401 when it is wrong, has expired, was used or tried too often."""
    bearer = gate.locate(bearer)
    visit = Visit(LoginMethod.EMAIL_CODE, None, bearer, now, time.perf_counter(), remember=remember)
    visit = await _counted(gate, visit)
    async with evenly(), gate.database.transaction() as transaction:
        user_id = await tokens.use_mailed_code(transaction, mailing.keyring, handle, code, now)
        identity = await identities.find(transaction.connection, user_id, now) if user_id else None
        _note_failure(transaction, visit, identity)
    return await _enter(gate, visit, identity)


async def sign_in_by_link(
    gate: Gate, token: str, bearer: Bearer, now: datetime, *, remember: bool = True
) -> Grant | Challenged:
    """Begin a session with the token in the link of a mail; of several who try at once, one gets in."""
    bearer = gate.locate(bearer)
    visit = Visit(LoginMethod.MAGIC_LINK, None, bearer, now, time.perf_counter(), remember=remember)
    visit = await _counted(gate, visit)
    async with evenly(), gate.database.transaction() as transaction:
        user_id = await tokens.use_mailed_link(transaction, token, now)
        identity = await identities.find(transaction.connection, user_id, now) if user_id else None
        _note_failure(transaction, visit, identity)
    return await _enter(gate, visit, identity)


async def _mail(
    transaction: Transaction,
    mailing: Mailing,
    app_url: str | None,
    identity: KnownIdentity,
    key: MailedKey,
    bearer: Bearer,
    now: datetime,
    asked_for: str,
) -> None:
    code, expires_at = new_code(), now + LIFETIME
    link = f"{app_url}#token={key.link}" if app_url else None  # what follows # reaches no server and no log
    letter = Letter(
        purpose="SIGN_IN",
        channel="EMAIL",
        recipient=identity.email,
        user_id=identity.id,
        locale=identity.locale,
        secrets=MessageSecrets(link=link, code=code),
        expires_at=expires_at,
        ip_address=bearer.ip_address,
    )
    await tokens.keep_mailed_key(
        transaction, mailing.keyring, identity.id, key, code, bearer, now, expires_at, asked_for=asked_for
    )
    await mailing.send(transaction, letter, now)


async def _counted(gate: Gate, visit: Visit) -> Visit:
    """The same attempt, counted; a 429 Problem when too many from its network were worthless."""
    async with recorded_if_limited(gate, visit):
        taken = await rate_limits.take_mailed_key(gate.database, visit.bearer.ip_address, visit.now)
    return replace(visit, limit=taken.state, taken=taken)


def _note_failure(transaction: Transaction, visit: Visit, identity: KnownIdentity | None) -> None:
    """Write down what leads no further; the rest is written down where it ends."""
    if identity is None:
        finding = Finding("FAILED", "WRONG_CODE" if visit.method is LoginMethod.EMAIL_CODE else "DEAD_LINK")
    elif identity.standing != "GOOD":
        finding, visit = Finding("BLOCKED", identity.standing), visit.of(identity.email)
    else:
        return
    user_id = identity.id if identity is not None else None
    login_attempts.record(transaction, visit.attempt, finding, user_id=user_id, duration_ms=visit.milliseconds)


async def _enter(gate: Gate, visit: Visit, identity: KnownIdentity | None) -> Grant | Challenged:
    if identity is None or identity.standing != "GOOD":
        detail = "The code or link is wrong, has expired, was used, or was tried too often. Ask for another mail."
        raise told_under(visit.limit, Problem(401, "invalid_credentials", "Not signed in", detail))
    return await admit(gate, visit.of(identity.email), identity, PROOF)
