"""Coming in all the way: the second factor of a sign-in whose first proof was good."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from orion_auth.admission import half_finished
from orion_auth.admission.actions import Visit, circumstances_of, enter, recorded_if_limited
from orion_auth.clean_starts import actions as clean_starts
from orion_auth.devices import actions as devices
from orion_auth.devices.actions import Trust
from orion_auth.gate import Gate
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.login_attempts import actions as login_attempts
from orion_auth.login_attempts.actions import Finding
from orion_auth.mailing import Letter
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.risk.rules import Assessment
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import BACKUP_CODE_USED, DEVICE_TRUSTED, TWO_FACTOR_ENABLED, TWO_FACTOR_FAILED
from orion_auth.sessions import actions as sessions
from orion_auth.sessions.actions import Grant, Started
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import Bearer
from orion_auth.two_factor import actions as two_factor
from orion_auth.two_factor.actions import HalfFinished, TotpOffer
from orion_auth.two_factor.rules import SENT, still_counts
from orion_auth.two_factor_methods import TwoFactorMethod, references
from orion_contracts.account_messages import MessageSecrets
from orion_core.database import Transaction
from orion_core.errors import Problem
from orion_core.http.rate_limit import RateLimitState, told_under
from orion_core.statement import look_together


@dataclass(frozen=True)
class Answer:
    """The second factor as it is shown."""

    challenge: str = field(repr=False)
    method: TwoFactorMethod
    code: str = field(repr=False)
    trust: timedelta | None = None
    """For how long the device is to be trusted; None: as before."""


Check = Callable[[Transaction, HalfFinished, Answer, datetime], Awaitable[bool]]
"""Whether an answer is good, and if so, that it is so once: it uses up in the transaction what may be used once."""


async def finish_sign_in(
    gate: Gate, answer: Answer, bearer: Bearer, now: datetime, check: Check | None = None
) -> Grant:
    """Begin the session that waited for this second factor; the same transaction ends the waiting.

    410 when the sign-in is over: finished, expired, out of tries, or begun with an account that has changed or been
    locked since. 422 when the code is wrong: the try is counted and recorded, apart from those at passwords. `check`
    takes the place of the check of codes, for what is no code.
    """
    started_at = time.perf_counter()
    sign_in = await find(gate, answer.challenge, answer.method, now)
    first = half_finished.read(sign_in.context)
    bearer = replace(gate.locate(bearer), device_id=first.device_id, fingerprint=first.fingerprint)
    device = await devices.begun_on(gate.database, sign_in.user_id, sign_in.device_id, bearer)
    visit = Visit(first.method, first.email, bearer, now, started_at, remember=first.remember)
    async with recorded_if_limited(gate, visit, sign_in.user_id):
        limit = await rate_limits.take_two_factor(gate.database, sign_in.user_id, now, device=device)
    async with gate.database.transaction() as transaction:
        outcome = await _answer(transaction, gate, replace(visit, limit=limit), sign_in, answer, check)
    if outcome == "OVER":
        raise told_under(limit, _over())
    if outcome == "WRONG":
        raise told_under(limit, _wrong(answer.method))
    return await sessions.grant(gate.signer, outcome, limit, now)


async def send_code(
    gate: Gate, challenge: str, method: TwoFactorMethod, bearer: Bearer, now: datetime
) -> RateLimitState | None:
    """Send a code for a half-finished sign-in; it takes the place of one that was sent before."""
    sign_in = await find(gate, challenge, method, now)
    if method not in SENT:
        raise _nothing_to_send()
    device = await devices.begun_on(gate.database, sign_in.user_id, sign_in.device_id, bearer)
    limit = await rate_limits.take_two_factor_code(gate.database, sign_in.user_id, now, device=device)
    phone = await _phone(gate, sign_in, now) if method is TwoFactorMethod.SMS else None
    async with gate.database.transaction() as transaction:
        identity = await _hold(transaction, gate, sign_in, now)
        if identity is None:
            raise _over()
        code = await two_factor.new_code_for(transaction, gate.mailing.keyring, sign_in, method, now)
        if code is None:
            raise _enough_sent()
        letter = Letter(
            purpose="TWO_FACTOR_CODE",
            channel="SMS" if phone else "EMAIL",
            recipient=phone or identity.email,
            user_id=identity.id,
            locale=identity.locale,
            secrets=MessageSecrets(code=code),
            expires_at=sign_in.expires_at,
            ip_address=bearer.ip_address,
        )
        await gate.mailing.send(transaction, letter, now)
    return limit


async def begin_enrolment(gate: Gate, challenge: str, now: datetime) -> TotpOffer:
    """Offer a secret to somebody who has to set up a second factor first; his answer is its first code."""
    sign_in = await find_enrolling(gate, challenge, TwoFactorMethod.TOTP, now)
    async with gate.database.transaction() as transaction:
        identity = await _hold(transaction, gate, sign_in, now)
        if identity is None:
            raise _over()
        keyring = gate.mailing.keyring
        return await two_factor.offer_enrolment(transaction, keyring, sign_in, gate.product_name, identity.email)


async def _phone(gate: Gate, sign_in: HalfFinished, now: datetime) -> str:
    async with gate.database.autocommit() as connection:
        phone = await two_factor.phone_of(connection, sign_in.user_id)
    if phone is None:
        raise _over()
    await rate_limits.take_sms(gate.database, phone, now)
    return phone


async def _answer(
    transaction: Transaction, gate: Gate, visit: Visit, sign_in: HalfFinished, answer: Answer, check: Check | None
) -> Started | Literal["OVER", "WRONG"]:
    identity = await _hold(transaction, gate, sign_in, visit.now)
    device, enrolled, live = await look_together(
        transaction.connection,
        devices.recognised(sign_in.user_id, visit.bearer, visit.now),
        two_factor.enrolled(sign_in.user_id),
        tokens.live_by_last_use(sign_in.user_id, visit.now),
    )
    counts = still_counts(answer.method, enrolled, must_enrol=sign_in.must_enrol)
    if identity is None or device.is_blocked or not counts:
        await two_factor.finish(transaction, sign_in, None, visit.now)
        return "OVER"
    counted = await two_factor.count_try(transaction, sign_in, visit.now)
    if counted is None:
        return "OVER"
    first = half_finished.read(counted.context)
    if check is not None:
        is_good = await check(transaction, counted, answer, visit.now)
    else:
        keyring = gate.mailing.keyring
        drift = gate.factor_policy.totp_drift
        is_good = await two_factor.is_shown(
            transaction, keyring, counted, answer.method, answer.code, visit.now, drift, visit.bearer
        )
    if not is_good:
        await _note_wrong(transaction, gate, visit, identity, first.assessment, answer.method, counted.tries_left)
        return "WRONG"
    await two_factor.finish(transaction, counted, answer.method, visit.now)
    kind = BACKUP_CODE_USED if answer.method is TwoFactorMethod.BACKUP_CODE else None
    circumstances = circumstances_of(visit, first.assessment)
    if counted.must_enrol:
        kind, circumstances = TWO_FACTOR_ENABLED, replace(circumstances, subject=answer.method.value)
    if answer.method is TwoFactorMethod.TOTP and counted.must_enrol:  # a key has done so when it was made
        await clean_starts.make_clean_start(transaction, gate, identity, circumstances, visit.now)
    if kind is not None:
        await security_events.note(transaction, gate.outbox, kind, identity, circumstances, visit.now)
    is_factor = enrolled.is_enabled or counted.must_enrol
    proof = replace(first.proof, amr=references(first.proof.amr, answer.method, is_factor=is_factor))
    started = await enter(transaction, gate, visit, identity, proof, first.assessment, live, second=answer.method)
    return replace(started, trust=await _trust(transaction, gate, visit, identity, answer))


async def _trust(
    transaction: Transaction, gate: Gate, visit: Visit, identity: KnownIdentity, answer: Answer
) -> Trust | None:
    """Trust the device that the sign-in began on, if that was asked for; None when it named none, or is blocked.

    Only a second factor of the account's own earns it. A code that was mailed because the sign-in looked risky shows
    the mailbox alone, and a backup code is for once.
    """
    if answer.trust is None or visit.bearer.device_id is None:
        return None
    if answer.method not in (await two_factor.enrolled(identity.id).alone(transaction.connection)).verified:
        return None
    device_id = visit.bearer.device_id
    await transaction.write_later()  # the device may be new
    given = await devices.trust(transaction, identity.id, device_id, now=visit.now, lifetime=answer.trust)
    if given is not None:
        circumstances = Circumstances.of(visit.bearer)
        await security_events.note(transaction, gate.outbox, DEVICE_TRUSTED, identity, circumstances, visit.now)
    return given


async def _note_wrong(
    transaction: Transaction,
    gate: Gate,
    visit: Visit,
    identity: KnownIdentity,
    assessment: Assessment,
    method: TwoFactorMethod,
    tries_left: int,
) -> None:
    finding = Finding(
        "FAILED",
        "WRONG_SECOND_FACTOR",
        risk_score=assessment.score,
        risk_reasons=assessment.reasons,
        two_factor_method=method,
    )
    login_attempts.record(transaction, visit.attempt, finding, user_id=identity.id, duration_ms=visit.milliseconds)
    if tries_left == 0:
        circumstances = circumstances_of(visit, assessment)
        await security_events.note(transaction, gate.outbox, TWO_FACTOR_FAILED, identity, circumstances, visit.now)


async def find(gate: Gate, challenge: str, method: TwoFactorMethod, now: datetime) -> HalfFinished:
    """The sign-in that waits for this method; 410 when it is over, 422 when it waits for others."""
    sign_in = await _find(gate, challenge, now)
    if method not in sign_in.methods:
        detail = "This method was not offered for this sign-in; choose one of `methods`."
        raise Problem(422, "method_not_offered", "Method not offered", detail)
    return sign_in


async def find_enrolling(gate: Gate, challenge: str, method: TwoFactorMethod, now: datetime) -> HalfFinished:
    """The sign-in that waits for this method to be set up; 409 when there is one already, which is to be shown."""
    sign_in = await find(gate, challenge, method, now)
    if not sign_in.must_enrol:
        detail = "This sign-in needs a second factor that is there already; choose one of `methods`."
        raise Problem(409, "enrolment_not_open", "Nothing to set up", detail)
    return sign_in


async def _find(gate: Gate, challenge: str, now: datetime) -> HalfFinished:
    async with gate.database.autocommit() as connection:
        sign_in = await two_factor.find_sign_in(connection, gate.mailing.keyring, challenge, now)
    if sign_in is None:
        raise _over()
    return sign_in


async def _hold(transaction: Transaction, gate: Gate, sign_in: HalfFinished, now: datetime) -> KnownIdentity | None:
    """The account, kept from changing, if it is still in good standing and the one that the sign-in began with."""
    identity = await identities.hold(transaction, sign_in.user_id, now)
    if identity is None or identity.standing != "GOOD" or not two_factor.is_of(gate.mailing.keyring, sign_in, identity):
        return None
    return identity


def _over() -> Problem:
    detail = (
        "This sign-in is over: it was finished, took too long, had too many wrong tries, "
        "or the account has changed meanwhile. Sign in again."
    )
    return Problem(410, "challenge_over", "This sign-in is over", detail)


def _wrong(method: TwoFactorMethod) -> Problem:
    if method is TwoFactorMethod.HARDWARE_KEY:
        detail = (
            "This is not the answer of a key of this account. Ask for options anew, and touch the key that you added."
        )
        return Problem(422, "invalid_passkey", "Invalid passkey", detail)
    detail = "The code is wrong, has expired or was used. Type the present one, or sign in again."
    return Problem(422, "invalid_code", "Invalid code", detail)


def _nothing_to_send() -> Problem:
    detail = "No code is sent for this method: the app, the key or the list of codes is with you."
    return Problem(422, "nothing_to_send", "Nothing to send", detail)


def _enough_sent() -> Problem:
    detail = "Enough codes were sent for this sign-in. Use the last one, choose another method, or sign in again."
    return Problem(409, "enough_codes_sent", "Enough codes sent", detail)
