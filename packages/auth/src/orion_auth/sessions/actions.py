"""Signing in, carrying a session on, and ending it."""

import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from orion_auth.addresses import normalise_email
from orion_auth.hashing import HashingLane
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.login_attempts import actions as login_attempts
from orion_auth.login_attempts.actions import Attempt
from orion_auth.pacing import evenly
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.security_events import actions as security_events
from orion_auth.sessions import store
from orion_auth.sessions.rules import REFUSAL_MARGIN, SESSION_LIFETIME, Decision, decide
from orion_auth.signer import FIRST_PARTY, LIFETIME, AccessToken, AccessTokenSigner
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import Bearer, NewSession, Refreshed, Replayed
from orion_contracts.claims import AccessClaims
from orion_contracts.events import SessionEnded, SessionStarted
from orion_core.clock import Clock
from orion_core.database import Database, Transaction
from orion_core.errors import Problem, unauthenticated
from orion_core.events.feed import Feed
from orion_core.events.outbox import Outbox
from orion_core.http.rate_limit import RateLimitState
from orion_core.ids import uuid7
from orion_core.revocations import EndedSession, RevocationSnapshot


@dataclass(frozen=True)
class Grant:
    """What a signed-in user gets."""

    access_token: AccessToken
    refresh_token: str
    session_id: UUID
    user_id: UUID
    expires_at: datetime
    """When the session ends."""
    limit: RateLimitState | None


async def sign_in(
    database: Database,
    lane: HashingLane,
    signer: AccessTokenSigner,
    outbox: Outbox,
    *,
    email_text: str,
    password: str,
    bearer: Bearer,
    now: datetime,
) -> Grant:
    """Begin a session for whoever knows the password of an identity in good standing.

    Every attempt is recorded. A 401 Problem is the same, and costs the same, for an unknown address, a wrong password
    and an address that is not verified; a 403 Problem says what is the matter with a verified account to those who know
    its password.
    """
    started = time.perf_counter()
    email = normalise_email(email_text)
    attempt = Attempt(email, bearer.ip_address, bearer.user_agent, bearer.device_id, now)
    limit = await _take_limit(database, attempt, started)
    async with database.autocommit() as connection:
        identity = await identities.find_by_email(connection, email, now)
    password_is_right = await lane.verify(identity.password_hash if identity else None, password)
    decision = decide(identity.standing if identity else None, password_is_right)
    if identity is None or decision.outcome != "SUCCESS":
        await _record_refusal(database, attempt, identity, decision, started)
        raise _refusal(decision)
    session = NewSession(uuid7(), identity.id, now, now + SESSION_LIFETIME, FIRST_PARTY)
    refresh_token = await _start(database, outbox, identity, session, attempt, bearer, started)
    access = await signer.for_user(identity.id, session.id, epoch=identity.security_epoch, auth_time=now, now=now)
    return Grant(access, refresh_token, session.id, identity.id, session.expires_at, limit)


async def refresh(
    database: Database, signer: AccessTokenSigner, outbox: Outbox, token: str, bearer: Bearer, now: datetime
) -> Grant | None:
    """Carry a session on: a new access token, and a new refresh token in place of the one shown.

    None when the token is no good. One that was rotated before ends its session: whoever came second, one of the two is
    not the owner.
    """
    async with database.autocommit() as connection:
        owner = await tokens.refresh_token_owner(connection, token)
    limit = await rate_limits.take_refresh(database, owner, now) if owner else None
    async with database.transaction() as transaction:
        rotated = await tokens.rotate(transaction, token, bearer, now)
        if isinstance(rotated, Replayed):
            await _end_replayed(transaction, outbox, rotated, bearer, now)
        identity = await _still_welcome(transaction, rotated, now)
    if identity is None or not isinstance(rotated, Refreshed):
        return None
    access = await signer.for_user(
        identity.id, rotated.session_id, epoch=identity.security_epoch, auth_time=rotated.started_at, now=now
    )
    return Grant(access, rotated.token, rotated.session_id, identity.id, rotated.expires_at, limit)


async def sign_out(database: Database, outbox: Outbox, user_id: UUID, session_id: UUID, now: datetime) -> None:
    """End a session: its refresh token is revoked, and all services refuse its access tokens."""
    async with database.transaction() as transaction:
        await _end(transaction, outbox, user_id, session_id, "SIGNED_OUT", now)


async def snapshot(database: Database, feed: Feed, now: datetime) -> RevocationSnapshot:
    """Everything refused now, and the feed position to follow on from.

    The position is taken first: what ends in between is told twice, and nothing is missed.
    """
    position = await feed.last_position()
    async with database.autocommit() as connection:
        rows = await store.list_refused_sessions(connection, now)
    sessions = [EndedSession(session_id=row.session_id, tokens_expire_at=row.expires_at) for row in rows]
    return RevocationSnapshot(sessions=sessions, position=position)


class Blacklist:
    """auth's own refusals: read from the database, so an end is felt here at once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def check(self, claims: AccessClaims) -> None:
        """Refuse a token of an ended session or of an earlier security epoch."""
        if claims.sid is None:
            return
        async with self._database.autocommit() as connection:
            refused = await store.is_refused(
                connection, UUID(claims.sub), UUID(claims.sid), claims.epoch, self._clock()
            )
        if refused:
            raise unauthenticated("The session of this access token has ended; sign in again.")


async def _take_limit(database: Database, attempt: Attempt, started: float) -> RateLimitState | None:
    try:
        return await rate_limits.take_login(database, attempt.email or "", attempt.ip_address, attempt.attempted_at)
    except Problem:
        async with database.autocommit() as connection:
            await login_attempts.record(
                connection, attempt, "BLOCKED", user_id=None, reason="RATE_LIMITED", duration_ms=_since(started)
            )
        raise


async def _record_refusal(
    database: Database, attempt: Attempt, identity: KnownIdentity | None, decision: Decision, started: float
) -> None:
    async with evenly(), database.transaction() as transaction:
        await login_attempts.record(
            transaction.connection,
            attempt,
            decision.outcome,
            user_id=identity.id if identity else None,
            reason=decision.reason,
            duration_ms=_since(started),
        )
        if decision.outcome == "FAILED":
            # Nobody's id when there is no such identity, so that the same statements run.
            await identities.note_failed_login(transaction, identity.id if identity else uuid7())


async def _start(
    database: Database,
    outbox: Outbox,
    identity: KnownIdentity,
    session: NewSession,
    attempt: Attempt,
    bearer: Bearer,
    started: float,
) -> str:
    """Begin the session, unless the account has changed while its password was checked."""
    event = SessionStarted(
        session_id=session.id,
        user_id=session.user_id,
        ip_address=bearer.ip_address,
        user_agent=bearer.user_agent,
        started_at=session.started_at,
        expires_at=session.expires_at,
    )
    async with database.transaction() as transaction:
        if await identities.hold(transaction, identity.id, session.started_at) != identity:
            raise _changed_meanwhile()
        refresh_token = await tokens.issue_refresh(transaction, session, bearer)
        await identities.note_login(transaction, session.user_id)
        await login_attempts.record(
            transaction.connection,
            attempt,
            "SUCCESS",
            user_id=session.user_id,
            reason=None,
            duration_ms=_since(started),
        )
        await outbox.record(transaction, event, session.started_at)
    return refresh_token


async def _still_welcome(
    transaction: Transaction, rotated: Refreshed | Replayed | None, now: datetime
) -> KnownIdentity | None:
    if not isinstance(rotated, Refreshed):
        return None
    identity = await identities.find(transaction.connection, rotated.user_id, now)
    return identity if identity is not None and identity.standing == "GOOD" else None


async def _end_replayed(
    transaction: Transaction, outbox: Outbox, replayed: Replayed, bearer: Bearer, now: datetime
) -> None:
    ended = await _end(transaction, outbox, replayed.user_id, replayed.session_id, "REUSE_DETECTED", now)
    if ended:
        await security_events.note_token_reused(
            transaction,
            replayed.user_id,
            replayed.session_id,
            ip_address=bearer.ip_address,
            user_agent=bearer.user_agent,
            now=now,
        )


async def _end(
    transaction: Transaction, outbox: Outbox, user_id: UUID, session_id: UUID, reason: str, now: datetime
) -> bool:
    """End a session, once; False when it had ended before."""
    await tokens.hold_session(transaction, user_id, session_id)
    tokens_expire_at = now + LIFETIME + REFUSAL_MARGIN
    values = {
        "session_id": session_id,
        "user_id": user_id,
        "reason": reason,
        "revoked_by": str(user_id) if reason == "SIGNED_OUT" else "auth",
        "revoked_at": now,
        "expires_at": tokens_expire_at,
    }
    if not await store.refuse_session(transaction.connection, values):
        return False
    await tokens.revoke_session(transaction, user_id, session_id, reason, now)
    event = SessionEnded(
        session_id=session_id, user_id=user_id, reason=reason, ended_at=now, tokens_expire_at=tokens_expire_at
    )
    await outbox.record(transaction, event, now)
    return True


def _refusal(decision: Decision) -> Problem:
    match decision.reason:
        case "LOCKED":
            return Problem(403, "account_locked", "Account locked", "This account is locked for now; try again later.")
        case "SUSPENDED":
            detail = "This account was suspended by an administrator; ask for help."
            return Problem(403, "account_suspended", "Account suspended", detail)
        case _:
            # Also for an unverified address: whoever registers one and signs in would learn whether it was free.
            detail = (
                "The e-mail address or the password is wrong, or the address is not verified yet; "
                "POST /auth/v1/verifications sends another mail."
            )
            return Problem(401, "invalid_credentials", "Not signed in", detail)


def _changed_meanwhile() -> Problem:
    detail = "The account was changed while you signed in. Nothing was begun; sign in again."
    return Problem(409, "account_changed", "Account changed", detail)


def _since(started: float) -> int:
    return int((time.perf_counter() - started) * 1000)
