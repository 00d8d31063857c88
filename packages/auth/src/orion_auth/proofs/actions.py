"""Proving again who one is, inside a session."""

import time
from datetime import datetime
from uuid import UUID

from orion_auth.gate import Gate
from orion_auth.hashing import HashingLane
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.login_attempts import actions as login_attempts
from orion_auth.login_attempts.actions import Attempt, Finding
from orion_auth.login_attempts.rules import LoginMethod
from orion_auth.pacing import evenly
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import PROOF_FAILED, PROOF_GIVEN
from orion_auth.signer import AccessToken
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import Bearer
from orion_contracts.claims import AccessClaims
from orion_core.errors import Problem, unauthenticated
from orion_core.http.authentication import user_id
from orion_core.http.rate_limit import RateLimitState

PASSWORD = "pwd"
"""RFC 8176's word for a password."""


async def prove(
    gate: Gate, lane: HashingLane, claims: AccessClaims, password: str, bearer: Bearer, now: datetime
) -> tuple[AccessToken, RateLimitState | None]:
    """Take the password of the session's owner as proof, and give an access token whose `auth_time` is now.

    It is limited and counted together with sign-ins, so a stolen token is no way around their limit. 401 for a wrong
    password and where there is none; 409 when the account has changed since it was looked up.
    """
    started = time.perf_counter()
    async with gate.database.autocommit() as connection:
        identity = await identities.find(connection, user_id(claims), now)
    if identity is None or claims.sid is None:
        raise _session_over()
    lane.require_room(is_known=True)  # before it is counted: what is not tried is no try
    taken = await rate_limits.take_login(gate.database, identity.email, bearer.ip_address, now)
    session_id = UUID(claims.sid)
    if not await lane.verify(identity.password_hash, password, is_known=True):
        await _record_failure(gate, identity, session_id, bearer, now, started)
        raise Problem(401, "invalid_credentials", "Not proved", "The password is wrong; the session goes on as it was.")
    amr = tuple(dict.fromkeys((PASSWORD, *(claims.amr or ()))))
    await _record_proof(gate, identity, session_id, amr, bearer, now)
    await rate_limits.give_back(gate.database, taken)
    token = await gate.signer.for_user(
        identity.id,
        session_id,
        epoch=identity.security_epoch,
        auth_time=now,
        amr=amr,
        now=now,
        audience=claims.aud,
        jkt=claims.cnf.jkt if claims.cnf is not None else None,
    )
    return token, taken.state


async def _record_proof(
    gate: Gate, identity: KnownIdentity, session_id: UUID, amr: tuple[str, ...], bearer: Bearer, now: datetime
) -> None:
    async with gate.database.transaction() as transaction:
        if await identities.hold(transaction, identity.id, now) != identity or identity.standing != "GOOD":
            raise Problem(409, "account_changed", "Account changed", "The account was changed meanwhile; try again.")
        if not await tokens.note_proof(transaction, identity.id, session_id, amr, now):
            raise _session_over()
        await identities.note_login(transaction, identity.id)
        circumstances = _circumstances(session_id, bearer)
        await security_events.note(transaction, gate.outbox, PROOF_GIVEN, identity, circumstances, now)


async def _record_failure(
    gate: Gate, identity: KnownIdentity, session_id: UUID, bearer: Bearer, now: datetime, started: float
) -> None:
    attempt = Attempt(LoginMethod.PASSWORD, identity.email, bearer.ip_address, bearer.user_agent, None, now)
    async with evenly(), gate.database.transaction() as transaction:
        await login_attempts.record(
            transaction.connection,
            attempt,
            Finding("FAILED", "WRONG_PASSWORD"),
            user_id=identity.id,
            duration_ms=int((time.perf_counter() - started) * 1000),
        )
        await identities.note_failed_login(transaction, identity.id)
        circumstances = _circumstances(session_id, bearer)
        await security_events.note(transaction, gate.outbox, PROOF_FAILED, identity, circumstances, now)


def _circumstances(session_id: UUID, bearer: Bearer) -> Circumstances:
    return Circumstances(ip_address=bearer.ip_address, user_agent=bearer.user_agent, session_id=session_id)


def _session_over() -> Problem:
    return unauthenticated("The session of this access token has ended; sign in again.")
