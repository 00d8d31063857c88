"""Setting up a second factor: it counts once it has been shown."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from orion_auth.callers import actions as callers
from orion_auth.clean_starts import actions as clean_starts
from orion_auth.gate import Gate
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.mailing import Letter
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import TWO_FACTOR_ENABLED
from orion_auth.two_factor import store
from orion_auth.two_factor.actions import enrolled
from orion_auth.two_factor.codes import PURPOSE, sent_message, take_back_codes
from orion_auth.two_factor.rules import CHALLENGE_LIFETIME, matching_step
from orion_auth.two_factor.totp import TotpOffer, offer_totp, open_pending, seal_pending, totp_values
from orion_auth.two_factor_methods import ChallengePurpose, TwoFactorMethod
from orion_contracts.account_messages import MessageSecrets
from orion_core.database import Transaction
from orion_core.errors import Problem
from orion_core.http.rate_limit import RateLimitState, told_under
from orion_core.ids import uuid7
from orion_core.secrets import new_code
from orion_core.tables import IpAddress


async def begin_totp(gate: Gate, user_id: UUID, now: datetime) -> TotpOffer:
    """Offer a secret; the one in use stays until a code of the new one is shown."""
    _require_allowed(gate, TwoFactorMethod.TOTP)
    challenge_id = uuid7()
    async with gate.database.transaction() as transaction:
        identity = await identities.hold_caller(transaction, user_id, now)
        offer = offer_totp(gate.product_name, identity.email)
        context = {"totp": seal_pending(gate.mailing.keyring, challenge_id, offer.secret)}
        await _open(transaction, challenge_id, user_id, TwoFactorMethod.TOTP, None, context, now)
    return offer


async def begin_sent(
    gate: Gate, user_id: UUID, phone: str | None, now: datetime, ip_address: IpAddress
) -> RateLimitState | None:
    """Send a code to a phone, or where there is none to the e-mail address of the account."""
    method = TwoFactorMethod.SMS if phone else TwoFactorMethod.EMAIL
    _require_allowed(gate, method)
    state = await rate_limits.take_two_factor_code(gate.database, user_id, now)
    if phone is not None:
        await rate_limits.take_sms(gate.database, phone, now)
    challenge_id, code = uuid7(), new_code()
    async with gate.database.transaction() as transaction:
        identity = await identities.hold_caller(transaction, user_id, now)
        code_hash = gate.mailing.keyring.mac(PURPOSE, sent_message(challenge_id, method, code))
        recipient = phone or identity.email
        await _open(transaction, challenge_id, user_id, method, code_hash, {"recipient": recipient}, now)
        letter = Letter(
            purpose="TWO_FACTOR_CODE",
            channel="SMS" if phone else "EMAIL",
            recipient=recipient,
            user_id=user_id,
            locale=identity.locale,
            secrets=MessageSecrets(code=code),
            expires_at=now + CHALLENGE_LIFETIME,
            ip_address=ip_address,
        )
        await gate.mailing.send(transaction, letter, now)
    return state


async def confirm(
    gate: Gate, user_id: UUID, method: TwoFactorMethod, code: str, circumstances: Circumstances, now: datetime
) -> None:
    """Add the method whose set-up was begun last, once its code is right; 422 when it is not. Five tries."""
    state = await rate_limits.take_set_up(gate.database, user_id, circumstances.session_id, now)
    async with gate.database.transaction() as transaction:
        identity = await callers.hold(transaction, user_id, circumstances.session_id, now)
        is_right = await _try(transaction, gate, identity, method, code, circumstances, now)
    if not is_right:
        detail = "The code is wrong, has expired or was used. Type the present one, or begin again."
        raise told_under(state, Problem(422, "invalid_code", "Invalid code", detail))


async def save(
    transaction: Transaction,
    gate: Gate,
    identity: KnownIdentity,
    method: TwoFactorMethod,
    values: dict[str, Any],
    circumstances: Circumstances,
    now: datetime,
) -> None:
    """Keep a method that was shown, and tell the owner."""
    before = await enrolled(identity.id).alone(transaction.connection)
    common: dict[str, Any] = {"is_enabled": True, "primary_method": before.primary or method}
    await store.change(transaction.connection, identity.id, values | common)
    await clean_starts.follow(transaction, gate, identity, method, circumstances, now, is_first=not before.is_enabled)
    circumstances = replace(circumstances, subject=method.value)
    await security_events.note(transaction, gate.outbox, TWO_FACTOR_ENABLED, identity, circumstances, now)


async def _try(
    transaction: Transaction,
    gate: Gate,
    identity: KnownIdentity,
    method: TwoFactorMethod,
    code: str,
    circumstances: Circumstances,
    now: datetime,
) -> bool:
    keyring, connection = gate.mailing.keyring, transaction.connection
    challenge = await store.count_try(connection, identity.id, ChallengePurpose.ENROLMENT, now)
    if challenge is None or challenge.context["method"] != method.value:
        return False
    match method:
        case TwoFactorMethod.TOTP:
            secret = open_pending(keyring, challenge.id, challenge.context["totp"])
            step = matching_step(secret, code, now, None, gate.factor_policy.totp_drift)
            if step is None:
                return False
            values = await totp_values(connection, keyring, identity.id, secret, step, now)
        case _:
            if not keyring.verify_mac(PURPOSE, sent_message(challenge.id, method, code), challenge.code_hash):
                return False
            if method is TwoFactorMethod.EMAIL and challenge.context["recipient"] != identity.email:
                return False
            is_sms = method is TwoFactorMethod.SMS
            if is_sms:
                await take_back_codes(transaction, identity.id)  # the number before may be that of a phone that is lost
            values = (
                {"sms_phone": challenge.context["recipient"], "sms_verified_at": now}
                if is_sms
                else {"email_verified_at": now}
            )
    await store.ensure_row(connection, identity.id)
    await store.consume(connection, challenge.id, now)
    await save(transaction, gate, identity, method, values, circumstances, now)
    return True


async def _open(
    transaction: Transaction,
    challenge_id: UUID,
    user_id: UUID,
    method: TwoFactorMethod,
    code_hash: bytes | None,
    context: dict[str, Any],
    now: datetime,
) -> None:
    values: dict[str, Any] = {
        "id": challenge_id,
        "user_id": user_id,
        "purpose": ChallengePurpose.ENROLMENT,
        "methods": [method],
        "code_hash": code_hash,
        "context": context | {"method": method.value},
        "expires_at": now + CHALLENGE_LIFETIME,
    }
    await store.drop_begun(transaction.connection, user_id, ChallengePurpose.ENROLMENT)
    await store.insert_challenge(transaction.connection, values)


def _require_allowed(gate: Gate, method: TwoFactorMethod) -> None:
    if method not in gate.factor_policy.allowed:
        detail = f"This installation does not allow {method.value} as a second factor; choose another."
        raise Problem(403, "method_not_allowed", "Method not allowed", detail)
