"""What follows a first proof, whatever it was: risk, second factor, and the session.

A way in (a password, a passkey, a mailed link, another provider) finds out who somebody is and hands over here.
"""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from uuid import UUID

from orion_auth.admission import half_finished
from orion_auth.admission.half_finished import FirstHalf
from orion_auth.admission.rules import Proof, next_step
from orion_auth.devices import actions as devices
from orion_auth.disavowals import actions as disavowals
from orion_auth.gate import Gate
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.login_attempts import actions as login_attempts
from orion_auth.login_attempts.actions import Attempt, Finding
from orion_auth.login_attempts.rules import LoginMethod
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.rate_limits.actions import Taken
from orion_auth.recoveries import actions as recoveries
from orion_auth.risk import actions as risk
from orion_auth.risk.actions import Circumstance
from orion_auth.risk.rules import Assessment
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import NEW_DEVICE, SIGN_IN_BLOCKED, SIGN_IN_SUSPICIOUS, SIGNED_IN, Kind
from orion_auth.sessions import actions as sessions
from orion_auth.sessions.actions import Grant, Started
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import Bearer
from orion_auth.two_factor import actions as two_factor
from orion_auth.two_factor.actions import Challenged
from orion_auth.two_factor.rules import Enrolled, enrollable, must_enrol, offered
from orion_auth.two_factor_methods import TwoFactorMethod
from orion_core.database import Transaction
from orion_core.errors import Problem
from orion_core.http.rate_limit import RateLimitState, told_under
from orion_core.ids import uuid7
from orion_core.statement import look_together


@dataclass(frozen=True)
class Visit:
    """One attempt to come in: how, as whom, from where, and since when."""

    method: LoginMethod
    email: str | None
    """As typed, normalised; None where nothing is typed."""
    bearer: Bearer
    now: datetime
    started: float
    """`time.perf_counter()` when the attempt began."""
    limit: RateLimitState | None = None
    remember: bool = True
    """Whether the session is to last as on a device of one's own."""
    taken: Taken | None = None
    """The try as it was counted, which is given back if it turns out well."""

    @property
    def attempt(self) -> Attempt:
        """The attempt as it is recorded."""
        bearer = self.bearer
        return Attempt(
            self.method,
            self.email,
            bearer.ip_address,
            bearer.user_agent,
            bearer.device_id,
            self.now,
            place=bearer.place,
        )

    def of(self, email: str) -> "Visit":
        """The same attempt, once it is known whose it is."""
        return replace(self, email=email)

    @property
    def milliseconds(self) -> int:
        """How long it has taken so far."""
        return int((time.perf_counter() - self.started) * 1000)


@asynccontextmanager
async def recorded_if_limited(gate: Gate, visit: Visit, user_id: UUID | None = None) -> AsyncGenerator[None]:
    """Write down an attempt that is refused within (429), of a network's the first few in a minute."""
    try:
        yield
    except Problem as problem:
        if problem.status == HTTPStatus.TOO_MANY_REQUESTS and await rate_limits.take_refusal_record(
            gate.database, visit.bearer.ip_address, visit.now
        ):
            await record_limited(gate, visit, user_id)
        raise


async def record_limited(gate: Gate, visit: Visit, user_id: UUID | None = None) -> None:
    """Write down an attempt that a limit has refused."""
    finding = Finding("BLOCKED", "RATE_LIMITED")
    await login_attempts.record_alone(
        gate.database, visit.attempt, finding, user_id=user_id, duration_ms=visit.milliseconds
    )


async def admit(gate: Gate, visit: Visit, identity: KnownIdentity, proof: Proof) -> Grant | Challenged:
    """Begin a session for an identity in good standing that has shown `proof`, unless risk or rules are against it.

    409 when the account has changed since it was looked up; 403 when the attempt is stopped, which its owner is told.
    Whether the user has second factors or none, it takes the same two reads to find out.
    """
    visit = replace(visit, bearer=gate.locate(visit.bearer))
    async with gate.database.transaction() as transaction:
        outcome = await _settle(transaction, gate, visit, identity, proof)
        if not isinstance(outcome, Problem) and visit.taken is not None:
            rate_limits.give_back_with(transaction, visit.taken)
    if isinstance(outcome, Problem):
        raise told_under(visit.limit, outcome)  # what was written down of it is kept
    if isinstance(outcome, Challenged):
        return replace(outcome, limit=visit.limit)
    return await sessions.grant(gate.signer, outcome, visit.limit, visit.now)


async def _settle(
    transaction: Transaction, gate: Gate, visit: Visit, identity: KnownIdentity, proof: Proof
) -> Started | Challenged | Problem:
    held = await identities.hold(transaction, identity.id, visit.now)
    if held is None or held != identity:
        _record_block(transaction, visit, identity, Finding("BLOCKED", "ACCOUNT_CHANGED"))
        return _changed_meanwhile()
    identity = held  # its hash may have been raised by this very attempt; what is half finished is bound to it
    device, past, enrolled, live = await look_together(
        transaction.connection,
        devices.recognised(identity.id, visit.bearer, visit.now),
        risk.past(identity.id, visit.bearer, visit.now),
        two_factor.enrolled(identity.id),
        tokens.live_by_last_use(identity.id, visit.now),
    )
    assessment = risk.assess_sign_in(past, device, visit.bearer, visit.now, _known(gate, visit, proof))
    step = next_step(
        proof,
        assessment.verdict,
        has_second_factor=enrolled.is_enabled,
        device_is_trusted=device.is_trusted,
        device_is_blocked=device.is_blocked,
        can_mail_code=TwoFactorMethod.EMAIL in gate.factor_policy.allowed and not proof.is_by_email,
        must_enrol=must_enrol(enrolled, gate.factor_policy),
    )
    match step:
        case "ADMIT":
            return await enter(transaction, gate, visit, identity, proof, assessment, live)
        case "CHALLENGE":
            return await _challenge(transaction, gate, visit, identity, proof, assessment, enrolled)
        case "BLOCK":
            await _stop(transaction, gate, visit, identity, assessment)
            return _too_risky()


async def enter(
    transaction: Transaction,
    gate: Gate,
    visit: Visit,
    identity: KnownIdentity,
    proof: Proof,
    assessment: Assessment,
    live: Sequence[UUID],
    second: TwoFactorMethod | None = None,
) -> Started:
    """Begin the session and write down that it was begun.

    `live` are `tokens.live_by_last_use`; `second` is the second factor that was shown, which `proof` tells of already.
    """
    started = await sessions.begin(
        transaction,
        gate.outbox,
        identity,
        visit.bearer,
        proof.amr,
        visit.now,
        gate.session_policy,
        live=live,
        remember=visit.remember,
    )
    finding = Finding(
        "SUCCESS" if assessment.verdict == "ALLOW" else "SUSPICIOUS",
        risk_score=assessment.score,
        risk_reasons=assessment.reasons,
        metadata=risk.kept(assessment),
        two_factor_method=second,
    )
    login_attempts.record(transaction, visit.attempt, finding, user_id=identity.id, duration_ms=visit.milliseconds)
    identities.note_login(transaction, identity.id)
    devices.note_sign_in(transaction, identity.id, visit.bearer, visit.now)
    circumstances = circumstances_of(visit, assessment)
    if second is not None or proof.is_multi_factor:
        # Whoever has a second factor has not lost it: if it is being recovered, somebody else asked for that.
        await recoveries.cancel_open(transaction, gate.outbox, identity, circumstances, visit.now)
    if assessment.is_by_new_device:
        await give_notice(transaction, gate, NEW_DEVICE, identity, visit, circumstances)
    elif identity.is_told_of_sign_ins:
        await give_notice(transaction, gate, SIGNED_IN, identity, visit, circumstances)
    if assessment.verdict == "STEP_UP" and second is None and not proof.is_multi_factor:
        await security_events.note(transaction, gate.outbox, SIGN_IN_SUSPICIOUS, identity, circumstances, visit.now)
    return started


async def _challenge(
    transaction: Transaction,
    gate: Gate,
    visit: Visit,
    identity: KnownIdentity,
    proof: Proof,
    assessment: Assessment,
    enrolled: Enrolled,
) -> Challenged | Problem:
    enrolling = not enrolled.is_enabled and must_enrol(enrolled, gate.factor_policy)
    if enrolled.is_enabled:
        methods = offered(enrolled, gate.factor_policy, is_by_email=proof.is_by_email)
    else:
        methods = enrollable(gate.factor_policy) if enrolling else (TwoFactorMethod.EMAIL,)
    if not methods:
        _record_block(transaction, visit, identity, _finding("OTHER_PROOF_NEEDED", assessment))
        return _other_proof_needed()
    bearer = visit.bearer
    first = FirstHalf(
        visit.method,
        visit.email,
        bearer.device_id,
        bearer.fingerprint,
        proof,
        assessment,
        visit.remember,
        bearer.ip_address,
        bearer.user_agent,
    )
    context, keyring = half_finished.write(first), gate.mailing.keyring
    return await two_factor.open_sign_in(
        transaction, keyring, identity, methods, context, visit.now, must_enrol=enrolling
    )


async def _stop(
    transaction: Transaction, gate: Gate, visit: Visit, identity: KnownIdentity, assessment: Assessment
) -> None:
    _record_block(transaction, visit, identity, _finding("TOO_RISKY", assessment))
    circumstances = circumstances_of(visit, assessment)
    await give_notice(transaction, gate, SIGN_IN_BLOCKED, identity, visit, circumstances)


def _finding(reason: str, assessment: Assessment) -> Finding:
    return Finding(
        "BLOCKED",
        reason,
        risk_score=assessment.score,
        risk_reasons=assessment.reasons,
        metadata=risk.kept(assessment),
    )


def _record_block(transaction: Transaction, visit: Visit, identity: KnownIdentity, finding: Finding) -> None:
    login_attempts.record(transaction, visit.attempt, finding, user_id=identity.id, duration_ms=visit.milliseconds)


async def give_notice(
    transaction: Transaction,
    gate: Gate,
    kind: Kind,
    identity: KnownIdentity,
    visit: Visit,
    circumstances: Circumstances,
) -> None:
    """Tell the owner, with a link by which he can say that it was not he."""
    notice_id = uuid7()
    link = await disavowals.seal_link(transaction, gate.mailing, notice_id, identity, visit.bearer, visit.now)
    await security_events.note(
        transaction, gate.outbox, kind, identity, circumstances, visit.now, secrets=link, event_id=notice_id
    )


def _known(gate: Gate, visit: Visit, proof: Proof) -> Circumstance:
    return Circumstance(proof.password_is_breached, gate.anonymising.contains(visit.bearer.ip_address))


def circumstances_of(visit: Visit, assessment: Assessment) -> Circumstances:
    """Where an attempt came from, and what spoke against it."""
    details = {"risk_score": assessment.score, "reasons": [reason.detail for reason in assessment.reasons]}
    return Circumstances.of(visit.bearer, details=details)


def _changed_meanwhile() -> Problem:
    detail = "The account was changed while you signed in. Nothing was begun; sign in again."
    return Problem(409, "account_changed", "Account changed", detail)


def _too_risky() -> Problem:
    detail = "This attempt was stopped because it looks unlike you. We have written to you about it."
    return Problem(403, "sign_in_blocked", "Sign-in stopped", detail)


def _other_proof_needed() -> Problem:
    detail = "Your only second factor is your mailbox, which you have shown already. Sign in with your password."
    return Problem(403, "other_proof_needed", "Another proof is needed", detail)
