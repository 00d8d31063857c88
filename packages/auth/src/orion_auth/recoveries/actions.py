"""Asking for a recovery, refusing it, and completing it once its delay is over.

It is asked for and completed by whoever has given a good first proof: a half-finished sign-in stands for that, so a
recovery takes the place of the second factor alone. Of all that happens at once to one recovery, one UPDATE decides.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from orion_auth.base import AnyRow
from orion_auth.devices import actions as devices
from orion_auth.gate import Gate
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.mailing import Letter
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.recoveries import refusals, store
from orion_auth.recoveries.rules import (
    CODE_LIFETIME,
    MOST_TRIES,
    WINDOW,
    Channel,
    hint,
    is_overtaken,
    mailboxes,
    recipients,
    stage,
)
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import (
    RECOVERY_CANCELLED,
    RECOVERY_COMPLETED,
    RECOVERY_REQUESTED,
    TWO_FACTOR_FAILED,
)
from orion_auth.sessions import actions as sessions
from orion_auth.tokens.actions import Bearer
from orion_auth.tokens.rules import BearerToken, parse
from orion_auth.two_factor import actions as two_factor
from orion_auth.two_factor.actions import HalfFinished
from orion_auth.two_factor_methods import RecoveryContacts
from orion_contracts.account_messages import MessageSecrets, SecurityNoticeRaised
from orion_core.database import Database, Transaction
from orion_core.errors import Problem
from orion_core.events.outbox import Outbox
from orion_core.http.rate_limit import RateLimitState, told_under
from orion_core.ids import uuid7, uuid7_at
from orion_core.secrets import hash_secret, new_code, new_secret, new_selector

PURPOSE = "recovery code"
"""What the keyring derives the key of code hashes for."""


@dataclass(frozen=True)
class Recovery:
    """A recovery that is under way."""

    requested_at: datetime
    ready_at: datetime
    expires_at: datetime
    hints: dict[Channel, str]
    """Where a code can be sent, as far as its owner needs it to know which one it is."""


async def ask(gate: Gate, challenge: str, delay: timedelta, bearer: Bearer, now: datetime) -> Recovery:
    """Begin a recovery and tell the owner at once; one that is under way goes on as it was.

    410 when the sign-in is over; 409 when the account has no second factor, or nowhere to send a code.
    """
    sign_in = await _find(gate, challenge, now)
    device = await devices.begun_on(gate.database, sign_in.user_id, sign_in.device_id, bearer)
    await rate_limits.take_recovery(gate.database, sign_in.user_id, now, device=device)
    async with gate.database.transaction() as transaction:
        identity, contacts = await _hold(transaction, gate, sign_in, now)
        if not (await two_factor.enrolled(identity.id).alone(transaction.connection)).is_enabled:
            raise refusals.not_needed()
        if not _reached(gate, identity, contacts):
            raise refusals.not_set_up()
        row = await _find_open(transaction, gate, identity, bearer, now)
        if row is None:
            row = await _open(transaction, gate, identity, contacts, delay, bearer, now)
    return _recovery(row, _reached(gate, identity, contacts))


async def send_code(
    gate: Gate, challenge: str, channel: Channel, bearer: Bearer, now: datetime
) -> RateLimitState | None:
    """Send the code that completes the recovery; 409 before its delay is over, or when enough were sent."""
    sign_in = await _find(gate, challenge, now)
    device = await devices.begun_on(gate.database, sign_in.user_id, sign_in.device_id, bearer)
    state = await rate_limits.take_two_factor_code(gate.database, sign_in.user_id, now, device=device)
    if channel == "SMS":
        async with gate.database.autocommit() as connection:
            contacts = await two_factor.recovery_contacts(connection, sign_in.user_id)
        if contacts.phone is not None:
            await rate_limits.take_sms(gate.database, contacts.phone, now)
    async with gate.database.transaction() as transaction:
        identity, contacts = await _hold(transaction, gate, sign_in, now)
        recipient = _reached(gate, identity, contacts).get(channel)
        row = await _find_open(transaction, gate, identity, bearer, now)
        if row is None or recipient is None:
            raise refusals.nothing_open()
        if stage(row.ready_at, row.expires_at, now) == "WAITING":
            raise refusals.too_early(row.ready_at, now)
        code, expires_at = new_code(), now + CODE_LIFETIME
        code_hash = gate.mailing.keyring.mac(PURPOSE, _message(row.id, code))
        if not await store.keep_code(transaction.connection, row.id, code_hash, expires_at):
            raise refusals.enough_sent()
        letter = Letter(
            purpose="RECOVERY",
            channel=channel,
            recipient=recipient,
            user_id=identity.id,
            locale=identity.locale,
            secrets=MessageSecrets(code=code),
            expires_at=expires_at,
            ip_address=bearer.ip_address,
        )
        await gate.mailing.send(transaction, letter, now)
    return state


async def complete(gate: Gate, challenge: str, code: str, bearer: Bearer, now: datetime) -> None:
    """Remove all second factors, end all sessions and all trust in devices, and tell the owner.

    422 when the code is wrong, which is counted, or none is good; 410 when the sign-in is over. Nobody is signed in by
    it: the next sign-in asks for what the account then needs, be it to set up a new second factor.
    """
    sign_in = await _find(gate, challenge, now)
    device = await devices.begun_on(gate.database, sign_in.user_id, sign_in.device_id, bearer)
    state = await rate_limits.take_two_factor(gate.database, sign_in.user_id, now, device=device)
    async with gate.database.transaction() as transaction:
        identity, contacts = await _hold(transaction, gate, sign_in, now)
        is_open = await _find_open(transaction, gate, identity, bearer, now) is not None
        outcome = await _try(transaction, gate, identity, code, bearer, now) if is_open else "WRONG"
        if outcome == "RIGHT":
            await _make(transaction, gate, sign_in, identity, contacts, bearer, now)
    if outcome == "WRONG":
        detail = "The code is wrong, has expired or was used, or there was none yet. Type the last one, or ask for it."
        raise told_under(state, Problem(422, "invalid_code", "Invalid code", detail))


async def read(gate: Gate, user_id: UUID, now: datetime) -> Recovery:
    """The recovery of the caller's account that is under way; 404 when there is none."""
    async with gate.database.autocommit() as connection:
        identity = await identities.find(connection, user_id, now)
        contacts = await two_factor.recovery_contacts(connection, user_id)
        row = await store.find_open(connection, user_id, now)
    if row is None or identity is None:
        raise refusals.none_under_way()
    return _recovery(row, _reached(gate, identity, contacts))


async def refuse(gate: Gate, user_id: UUID, circumstances: Circumstances, now: datetime) -> None:
    """Refuse the recovery of the caller's account; 404 when none is under way."""
    async with gate.database.transaction() as transaction:
        identity = await identities.hold(transaction, user_id, now)
        if identity is None or not await cancel_open(transaction, gate.outbox, identity, circumstances, now):
            raise refusals.none_under_way()


async def look_up(database: Database, text: str, now: datetime) -> AnyRow | None:
    """The recovery that a link would refuse; changes nothing. None for a link that is of no use (any more)."""
    token = parse(text)
    if token is None:
        return None
    async with database.autocommit() as connection:
        row = await store.find(connection, token.selector)
    if row is None or not hmac.compare_digest(row.secret_hash, hash_secret(token.secret)):
        return None
    is_open = row.completed_at is None and row.cancelled_at is None and row.expires_at > now
    return row if is_open else None


async def refuse_by_link(gate: Gate, text: str, bearer: Bearer, now: datetime) -> None:
    """Refuse a recovery by the link in its notice; a 410 Problem when it is over."""
    row = await look_up(gate.database, text, now)
    if row is None:
        raise refusals.link_is_dead()
    circumstances = _circumstances(gate, bearer, {})
    async with gate.database.transaction() as transaction:
        identity = await identities.hold(transaction, row.user_id, now)
        still = await store.find_open(transaction.connection, row.user_id, now) if identity is not None else None
        if identity is None or still is None or still.id != row.id:
            raise refusals.link_is_dead()
        if not await cancel_open(transaction, gate.outbox, identity, circumstances, now):
            raise refusals.link_is_dead()


async def cancel_open(
    transaction: Transaction, outbox: Outbox, identity: KnownIdentity, circumstances: Circumstances, now: datetime
) -> bool:
    """End the recovery that is under way; False when there is none. The caller holds the identity."""
    row = await store.cancel_open(transaction.connection, identity.id, now)
    if row is None or row.expires_at <= now:
        return False
    await security_events.note(transaction, outbox, RECOVERY_CANCELLED, identity, circumstances, now)
    return True


async def _find_open(
    transaction: Transaction, gate: Gate, identity: KnownIdentity, bearer: Bearer, now: datetime
) -> AnyRow | None:
    """The recovery that is under way, which ends here if none of the second factors is left that it was asked for.

    Whoever asked for it before an administrator helped must not find its delay over for those that were set up then.
    """
    row = await store.find_open(transaction.connection, identity.id, now)
    since = await two_factor.set_up_since(transaction.connection, identity.id)
    if row is None or not is_overtaken(row.requested_at, since):
        return row
    await cancel_open(transaction, gate.outbox, identity, _circumstances(gate, bearer, {}), now)
    return None


async def _open(
    transaction: Transaction,
    gate: Gate,
    identity: KnownIdentity,
    contacts: RecoveryContacts,
    delay: timedelta,
    bearer: Bearer,
    now: datetime,
) -> AnyRow | None:
    await store.cancel_open(transaction.connection, identity.id, now)  # one that has lapsed makes room
    token, notice_id, ready_at = BearerToken(new_selector(), new_secret()), uuid7_at(now), now + delay
    values = {
        "id": uuid7(),
        "user_id": identity.id,
        "selector": token.selector,
        "secret_hash": hash_secret(token.secret),
        "requested_at": now,
        "ready_at": ready_at,
        "expires_at": ready_at + WINDOW,
        "ip_address": bearer.ip_address,
        "user_agent": bearer.user_agent,
    }
    await store.insert_recovery(transaction.connection, values)
    secrets = MessageSecrets(link=f"{gate.mailing.link_prefix}/auth/v1/recoveries/{token.text}")
    place = SecurityNoticeRaised.associated_data(notice_id, identity.id)
    await security_events.note(
        transaction,
        gate.outbox,
        RECOVERY_REQUESTED,
        identity,
        _circumstances(gate, bearer, {"ready_at": ready_at.isoformat()}),
        now,
        secrets=gate.mailing.event_keyring.seal_text(secrets.model_dump_json(exclude_none=True), place),
        event_id=notice_id,
        addresses=mailboxes(contacts, identity.email),
    )
    return await store.find_open(transaction.connection, identity.id, now)


async def _try(
    transaction: Transaction, gate: Gate, identity: KnownIdentity, code: str, bearer: Bearer, now: datetime
) -> Literal["RIGHT", "WRONG"]:
    row = await store.count_try(transaction.connection, identity.id, now)
    if row is None:
        return "WRONG"
    is_right = gate.mailing.keyring.verify_mac(PURPOSE, _message(row.id, code), row.code_hash)
    if is_right and await store.complete(transaction.connection, row.id, now):
        return "RIGHT"
    if row.tries == MOST_TRIES:
        circumstances = _circumstances(gate, bearer, {"at": "recovery"})
        await security_events.note(transaction, gate.outbox, TWO_FACTOR_FAILED, identity, circumstances, now)
    return "WRONG"


async def _make(
    transaction: Transaction,
    gate: Gate,
    sign_in: HalfFinished,
    identity: KnownIdentity,
    contacts: RecoveryContacts,
    bearer: Bearer,
    now: datetime,
) -> None:
    await two_factor.finish(transaction, sign_in, None, now)
    await two_factor.forget_all(transaction, identity.id, now)
    await devices.end_all_trust(transaction, identity.id)
    ended = await sessions.end_all(
        transaction, gate.outbox, identity.id, reason="RECOVERED", revoked_by=str(identity.id), now=now
    )
    await security_events.note(
        transaction,
        gate.outbox,
        RECOVERY_COMPLETED,
        identity,
        _circumstances(gate, bearer, {"sessions_ended": ended}),
        now,
        addresses=mailboxes(contacts, identity.email),
    )


async def _find(gate: Gate, challenge: str, now: datetime) -> HalfFinished:
    async with gate.database.autocommit() as connection:
        sign_in = await two_factor.find_sign_in(connection, gate.mailing.keyring, challenge, now)
    if sign_in is None:
        raise refusals.over()
    return sign_in


async def _hold(
    transaction: Transaction, gate: Gate, sign_in: HalfFinished, now: datetime
) -> tuple[KnownIdentity, RecoveryContacts]:
    """The account, kept from changing, and where it is recovered; it must be the one that the sign-in began with."""
    identity = await identities.hold(transaction, sign_in.user_id, now)
    if identity is None or identity.standing != "GOOD" or not two_factor.is_of(gate.mailing.keyring, sign_in, identity):
        raise refusals.over()
    return identity, await two_factor.recovery_contacts(transaction.connection, identity.id)


def _circumstances(gate: Gate, bearer: Bearer, details: dict[str, object]) -> Circumstances:
    return Circumstances.of(gate.locate(bearer), details=details)


def _reached(gate: Gate, identity: KnownIdentity, contacts: RecoveryContacts) -> dict[Channel, str]:
    return recipients(contacts, identity.email, by_email=gate.factor_policy.recovers_by_email)


def _recovery(row: AnyRow | None, reached: dict[Channel, str]) -> Recovery:
    if row is None:
        raise refusals.nothing_open()
    hints: dict[Channel, str] = {channel: hint(channel, recipient) for channel, recipient in reached.items()}
    return Recovery(row.requested_at, row.ready_at, row.expires_at, hints)


def _message(recovery_id: UUID, code: str) -> bytes:
    return f"{recovery_id}:{code}".encode()
