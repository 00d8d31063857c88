"""What follows a first proof, whatever it was: risk, second factor, and the session.

A way in (a password, a passkey, a mailed link, another provider) finds out who somebody is and hands over here.
"""

import time
from dataclasses import dataclass, replace
from datetime import datetime

from orion_auth.admission.rules import Proof, next_step
from orion_auth.devices import actions as devices
from orion_auth.devices.actions import Recognised
from orion_auth.gate import Gate
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.login_attempts import actions as login_attempts
from orion_auth.login_attempts.actions import Attempt, Finding
from orion_auth.login_attempts.rules import LoginMethod
from orion_auth.risk import actions as risk
from orion_auth.risk.rules import Assessment
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import NEW_DEVICE, SIGN_IN_BLOCKED
from orion_auth.sessions import actions as sessions
from orion_auth.sessions.actions import Grant, Started
from orion_auth.tokens.actions import Bearer
from orion_auth.two_factor.actions import Challenged
from orion_core.database import Transaction
from orion_core.errors import Problem
from orion_core.http.rate_limit import RateLimitState


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

    @property
    def attempt(self) -> Attempt:
        """The attempt as it is recorded."""
        return Attempt(
            self.method, self.email, self.bearer.ip_address, self.bearer.user_agent, self.bearer.device_id, self.now
        )

    def of(self, email: str) -> "Visit":
        """The same attempt, once it is known whose it is."""
        return replace(self, email=email)

    @property
    def milliseconds(self) -> int:
        """How long it has taken so far."""
        return int((time.perf_counter() - self.started) * 1000)


async def admit(gate: Gate, visit: Visit, identity: KnownIdentity, proof: Proof) -> Grant | Challenged:
    """Begin a session for an identity in good standing that has shown `proof`, unless risk or rules are against it.

    409 when the account has changed since it was looked up; 403 when the attempt is stopped, which its owner is told.
    """
    async with gate.database.transaction() as transaction:
        if await identities.hold(transaction, identity.id, visit.now) != identity:
            raise _changed_meanwhile()
        device = await devices.recognise(transaction, identity.id, visit.bearer, visit.now)
        assessment = await risk.assess_sign_in(transaction, identity.id, device)
        step = next_step(
            proof,
            assessment.verdict,
            has_second_factor=False,
            device_is_trusted=device.is_trusted,
            device_is_blocked=device.is_blocked,
        )
        if step == "BLOCK":
            await _stop(transaction, gate, visit, identity, assessment)
            started = None
        else:
            started = await enter(transaction, gate, visit, identity, proof, device, assessment)
    if started is None:
        raise _too_risky()
    return await sessions.grant(gate.signer, started, visit.limit, visit.now)


async def enter(
    transaction: Transaction,
    gate: Gate,
    visit: Visit,
    identity: KnownIdentity,
    proof: Proof,
    device: Recognised,
    assessment: Assessment,
) -> Started:
    """Begin the session and write down that it was begun."""
    started = await sessions.begin(transaction, gate.outbox, identity, visit.bearer, proof.amr, visit.now)
    finding = Finding(
        "SUCCESS" if assessment.verdict == "ALLOW" else "SUSPICIOUS",
        risk_score=assessment.score,
        risk_reasons=assessment.reasons,
    )
    await login_attempts.record(
        transaction.connection, visit.attempt, finding, user_id=identity.id, duration_ms=visit.milliseconds
    )
    await identities.note_login(transaction, identity.id)
    await devices.note_sign_in(transaction, identity.id, visit.bearer, visit.now)
    if any(reason.signal == "new_device" for reason in assessment.reasons):
        await security_events.note(
            transaction, gate.outbox, NEW_DEVICE, identity, _circumstances(visit, assessment), visit.now
        )
    return started


async def _stop(
    transaction: Transaction, gate: Gate, visit: Visit, identity: KnownIdentity, assessment: Assessment
) -> None:
    finding = Finding("BLOCKED", "TOO_RISKY", risk_score=assessment.score, risk_reasons=assessment.reasons)
    await login_attempts.record(
        transaction.connection, visit.attempt, finding, user_id=identity.id, duration_ms=visit.milliseconds
    )
    circumstances = _circumstances(visit, assessment)
    await security_events.note(transaction, gate.outbox, SIGN_IN_BLOCKED, identity, circumstances, visit.now)


def _circumstances(visit: Visit, assessment: Assessment) -> Circumstances:
    return Circumstances(
        ip_address=visit.bearer.ip_address,
        user_agent=visit.bearer.user_agent,
        device_id=visit.bearer.device_id,
        details={"risk_score": assessment.score, "reasons": [reason.detail for reason in assessment.reasons]},
    )


def _changed_meanwhile() -> Problem:
    detail = "The account was changed while you signed in. Nothing was begun; sign in again."
    return Problem(409, "account_changed", "Account changed", detail)


def _too_risky() -> Problem:
    detail = "This attempt was stopped because it looks unlike you. We have written to you about it."
    return Problem(403, "sign_in_blocked", "Sign-in stopped", detail)
