"""Proving again who one is, inside a session."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from orion_auth.gate import Gate
from orion_auth.hashing import HashingLane
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.login_attempts import actions as login_attempts
from orion_auth.login_attempts.actions import Attempt, Finding
from orion_auth.login_attempts.rules import LoginMethod
from orion_auth.mailing import Letter
from orion_auth.pacing import evenly
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import BACKUP_CODE_USED, PROOF_FAILED, PROOF_GIVEN
from orion_auth.sessions import actions as sessions
from orion_auth.signer import AccessToken
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import Bearer
from orion_auth.two_factor import actions as two_factor
from orion_auth.two_factor.rules import CHALLENGE_LIFETIME, Enrolled, offered
from orion_auth.two_factor_methods import ChallengePurpose, TwoFactorMethod, strengthened
from orion_contracts.account_messages import MessageSecrets
from orion_contracts.claims import AccessClaims
from orion_core.database import Transaction
from orion_core.errors import Problem, unauthenticated
from orion_core.http.authentication import user_id
from orion_core.http.rate_limit import RateLimitState, told_under

PASSWORD = "pwd"
"""RFC 8176's word for a password."""


@dataclass(frozen=True)
class Second:
    """A second factor as it is shown."""

    method: TwoFactorMethod
    code: str = field(repr=False)


@dataclass(frozen=True)
class Shown:
    """What is shown as proof: one of the two at least."""

    password: str | None = field(repr=False)
    second: Second | None


@dataclass(frozen=True)
class _Try:
    """One proof under way."""

    identity: KnownIdentity
    session_id: UUID
    bearer: Bearer
    now: datetime
    started: float

    @property
    def circumstances(self) -> Circumstances:
        """Where it is given."""
        return Circumstances.of(self.bearer, session_id=self.session_id)


async def prove(
    gate: Gate, lane: HashingLane, claims: AccessClaims, shown: Shown, bearer: Bearer, now: datetime
) -> tuple[AccessToken, RateLimitState | None]:
    """Take what the session's owner shows as proof, and give an access token whose `auth_time` is now.

    What is shown is counted by the session, so that what strangers try keeps no owner from a proof and a stolen token
    does not guess without end. 401 for a wrong password and where there is none; 422 for a wrong code, and for a method
    that the account has not; 409 when the account has changed since it was looked up.
    """
    started = time.perf_counter()
    async with gate.database.autocommit() as connection:
        identity = await identities.find(connection, user_id(claims), now)
    if identity is None or claims.sid is None:
        raise session_over()
    attempt = _Try(identity, UUID(claims.sid), bearer, now, started)
    state = None
    if shown.password is not None:
        state = await _check_password(gate, lane, attempt, shown.password)
    if shown.second is not None:
        state = await rate_limits.take_two_factor(
            gate.database, identity.id, now, device=rate_limits.in_session(attempt.session_id)
        )
    amr = await _record_proof(gate, attempt, shown)
    if amr is None:
        detail = "The code is wrong, has expired or was used. Type the present one; the session goes on as it was."
        raise told_under(state, Problem(422, "invalid_code", "Invalid code", detail))
    return await token_after(gate, claims, identity, amr, now), state


async def token_after(
    gate: Gate, claims: AccessClaims, identity: KnownIdentity, amr: tuple[str, ...], now: datetime
) -> AccessToken:
    """The access token of a session in which a proof was given: for whom, and bound to which key, stays as it was."""
    return await gate.signer.for_user(
        identity.id,
        UUID(claims.sid),
        epoch=identity.security_epoch,
        auth_time=now,
        amr=amr,
        now=now,
        audience=claims.aud,
        jkt=claims.cnf.jkt if claims.cnf is not None else None,
    )


async def send_code(
    gate: Gate, claims: AccessClaims, method: TwoFactorMethod, bearer: Bearer, now: datetime
) -> RateLimitState | None:
    """Send a code for a proof; one that was sent before is worthless. 422 for a method that the account has not."""
    subject = user_id(claims)
    async with gate.database.autocommit() as connection:
        _require_offered(gate, await two_factor.enrolled(subject).alone(connection), method)
        phone = await two_factor.phone_of(connection, subject) if method is TwoFactorMethod.SMS else None
    state = await rate_limits.take_two_factor_code(
        gate.database, subject, now, device=rate_limits.in_session(UUID(claims.sid))
    )
    if phone is not None:
        await rate_limits.take_sms(gate.database, phone, now)
    expires_at = now + CHALLENGE_LIFETIME
    async with gate.database.transaction() as transaction:
        identity = await identities.hold(transaction, subject, now)
        if identity is None or identity.standing != "GOOD":
            raise session_over()
        keyring, purpose = gate.mailing.keyring, ChallengePurpose.STEP_UP
        code = await two_factor.open_code(transaction, keyring, subject, purpose, method, {}, expires_at)
        letter = Letter(
            purpose="TWO_FACTOR_CODE",
            channel="SMS" if phone else "EMAIL",
            recipient=phone or identity.email,
            user_id=subject,
            locale=identity.locale,
            secrets=MessageSecrets(code=code),
            expires_at=expires_at,
            ip_address=bearer.ip_address,
        )
        await gate.mailing.send(transaction, letter, now)
    return state


async def _check_password(gate: Gate, lane: HashingLane, attempt: _Try, password: str) -> RateLimitState | None:
    identity = attempt.identity
    address = attempt.bearer.ip_address
    lane.require_room(known_from=address)  # before it is counted: what is not tried is no try
    taken = await rate_limits.take_proof(gate.database, identity.id, attempt.session_id, address, attempt.now)
    async with rate_limits.given_back_if_untried(gate.database, taken):
        is_right = await lane.verify(identity.password_hash, password, known_from=address)
    if not is_right:
        async with evenly(), gate.database.transaction() as transaction:
            await _note_failure(transaction, gate, attempt, None)
            identities.note_failed_login(transaction, identity.id)
        detail = "The password is wrong; the session goes on as it was."
        raise told_under(taken.state, Problem(401, "invalid_credentials", "Not proved", detail))
    await rate_limits.give_back(gate.database, taken)
    return taken.state


async def _record_proof(gate: Gate, attempt: _Try, shown: Shown) -> tuple[str, ...] | None:
    """Write the proof down, once its second factor is right too; by what the session's owner has proved who he is.

    None when the second factor is wrong, which is counted.
    """
    identity, now, second = attempt.identity, attempt.now, shown.second
    async with gate.database.transaction() as transaction:
        if await identities.hold(transaction, identity.id, now) != identity or identity.standing != "GOOD":
            raise Problem(409, "account_changed", "Account changed", "The account was changed meanwhile; try again.")
        session = await tokens.find_session(transaction.connection, identity.id, attempt.session_id, now)
        if session is None:
            raise session_over()
        amr = tuple(dict.fromkeys((PASSWORD, *session.amr))) if shown.password is not None else session.amr
        if second is not None:
            if not await _is_shown(transaction, gate, attempt, second):
                await _note_failure(transaction, gate, attempt, second.method)
                return None
            amr = strengthened(amr, second.method)
        if not await tokens.note_proof(transaction, identity.id, session.id, amr, now):
            raise session_over()
        await sessions.supersede_tokens(transaction, gate.outbox, identity.id, session.id, now)
        identities.note_login(transaction, identity.id)
        await security_events.note(transaction, gate.outbox, PROOF_GIVEN, identity, attempt.circumstances, now)
        if second is not None and second.method is TwoFactorMethod.BACKUP_CODE:
            await security_events.note(transaction, gate.outbox, BACKUP_CODE_USED, identity, attempt.circumstances, now)
    return amr


async def _is_shown(transaction: Transaction, gate: Gate, attempt: _Try, second: Second) -> bool:
    connection, subject = transaction.connection, attempt.identity.id
    _require_offered(gate, await two_factor.enrolled(subject).alone(connection), second.method)
    keyring, drift = gate.mailing.keyring, gate.factor_policy.totp_drift
    return await two_factor.is_shown_again(
        transaction, keyring, subject, second.method, second.code, attempt.now, drift, attempt.bearer
    )


async def _note_failure(transaction: Transaction, gate: Gate, attempt: _Try, method: TwoFactorMethod | None) -> None:
    identity, bearer = attempt.identity, attempt.bearer
    login_attempts.record(
        transaction,
        Attempt(LoginMethod.PASSWORD, identity.email, bearer.ip_address, bearer.user_agent, None, attempt.now),
        Finding("FAILED", "WRONG_SECOND_FACTOR" if method else "WRONG_PASSWORD", two_factor_method=method),
        user_id=identity.id,
        duration_ms=int((time.perf_counter() - attempt.started) * 1000),
    )
    await security_events.note(transaction, gate.outbox, PROOF_FAILED, identity, attempt.circumstances, attempt.now)


def _require_offered(gate: Gate, enrolled: Enrolled, method: TwoFactorMethod) -> None:
    if method not in offered(enrolled, gate.factor_policy, is_by_email=False):
        detail = "Your account has no such second factor; GET /auth/v1/me/two-factor lists those that it has."
        raise Problem(422, "method_not_offered", "Method not offered", detail)


def session_over() -> Problem:
    """401 when there is no session any more in which something could be proved."""
    return unauthenticated("The session of this access token has ended; sign in again.")
