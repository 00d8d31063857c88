"""Beginning a session, carrying it on, and ending it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from orion_auth.devices.actions import Trust
from orion_auth.dpop import actions as dpop
from orion_auth.gate import Gate
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.refresh_tokens import actions as refresh_tokens
from orion_auth.refresh_tokens.actions import Refreshed, Replayed, Rotations
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import TOKEN_REUSED
from orion_auth.session_policy import SessionPolicy
from orion_auth.sessions import store
from orion_auth.sessions.rules import REFUSAL_MARGIN, too_many
from orion_auth.signer import FIRST_PARTY, LIFETIME, AccessToken, AccessTokenSigner
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import Bearer, NewSession
from orion_contracts.api_keys import ApiKeyEnded
from orion_contracts.events import SecurityEpochRaised, SessionEnded, SessionProved, SessionStarted
from orion_core.access_tokens import AUDIENCE
from orion_core.database import Database, Transaction
from orion_core.events.feed import Feed
from orion_core.events.outbox import Outbox
from orion_core.http.rate_limit import RateLimitState
from orion_core.http.step_up import SEVERAL_FACTORS
from orion_core.ids import uuid7
from orion_core.revocations import EndedEpoch, EndedSession, ProvedSession, RevocationSnapshot


@dataclass(frozen=True)
class Started:
    """A session that was begun in a transaction which is not committed yet."""

    session: NewSession
    epoch: int
    refresh_token: str = field(repr=False)
    jkt: str | None
    """Thumbprint of the key that its tokens are bound to."""
    trust: Trust | None = None
    """What its device is given when it is trusted from now on."""


@dataclass(frozen=True)
class Grant:
    """What a signed-in user gets."""

    access_token: AccessToken
    refresh_token: str
    session_id: UUID
    user_id: UUID
    expires_at: datetime
    """When the session ends unless it is refreshed."""
    limit: RateLimitState | None
    trust: Trust | None = None


async def begin(
    transaction: Transaction,
    outbox: Outbox,
    identity: KnownIdentity,
    bearer: Bearer,
    amr: tuple[str, ...],
    now: datetime,
    policy: SessionPolicy,
    *,
    live: Sequence[UUID],
    remember: bool = True,
) -> Started:
    """Begin a session for an identity that has proved who it is by the methods `amr` (RFC 8176).

    The caller has held the identity, and then found `tokens.live_by_last_use`. When the user has more sessions by this
    one than he may have, those that were not used for longest end.
    """
    lifetime = policy.remembered if remember else policy.unremembered
    session = NewSession(
        id=uuid7(),
        user_id=identity.id,
        started_at=now,
        expires_at=now + lifetime.absolute,
        idle=lifetime.idle,
        client_id=FIRST_PARTY,
        amr=amr,
        security_epoch=identity.security_epoch,
    )
    await dpop.use(transaction.connection, bearer.proof, now)
    refresh_token = tokens.issue_refresh(transaction, session, bearer)
    event = SessionStarted(
        session_id=session.id,
        user_id=session.user_id,
        device_name=bearer.client.name,
        device_type=bearer.client.type.value,
        ip_address=bearer.ip_address,
        user_agent=bearer.user_agent,
        country=bearer.place.country,
        city=bearer.place.city,
        started_at=session.started_at,
        expires_at=session.expires_at,
    )
    await outbox.record(transaction, event, now)
    for each in too_many(live, policy.most):
        await _end(transaction, outbox, identity.id, each, "LIMIT", now)
    return Started(session, identity.security_epoch, refresh_token, bearer.jkt)


async def grant(signer: AccessTokenSigner, started: Started, limit: RateLimitState | None, now: datetime) -> Grant:
    """The tokens of a session that was begun, once its transaction is committed."""
    session = started.session
    access = await signer.for_user(
        session.user_id,
        session.id,
        epoch=started.epoch,
        auth_time=session.started_at,
        amr=session.amr,
        now=now,
        jkt=started.jkt,
    )
    expires_at = min(session.started_at + session.idle, session.expires_at)
    return Grant(access, started.refresh_token, session.id, session.user_id, expires_at, limit, started.trust)


async def refresh(
    gate: Gate,
    rotations: Rotations,
    token: str,
    bearer: Bearer,
    now: datetime,
    scopes: tuple[str, ...] = (),
    audience: str | list[str] = AUDIENCE,
) -> Grant | None:
    """Carry a session on: a new access token, and a new refresh token in place of the one shown.

    None when the token is no good, or has not all of `scopes`. One of which there must be a copy ends its session:
    whoever came second, one of the two is not the owner. One round trip to the database, unless something is wrong or
    a key is proved. A proof that was used before raises InvalidProofError and changes nothing; of two requests with one
    proof at the same moment both may rotate, and the key's holder gets the successor again with a new proof.
    """
    if bearer.proof is not None:
        async with gate.database.autocommit() as connection:
            await dpop.require_unused(connection, bearer.proof, now)
    rotated = await refresh_tokens.rotate(rotations, token, bearer, now, scopes)
    if isinstance(rotated, Refreshed) and bearer.proof is not None:
        async with gate.database.autocommit() as connection:
            await dpop.use(connection, bearer.proof, now)
    if isinstance(rotated, Replayed):
        async with gate.database.transaction() as transaction:
            await _end_replayed(transaction, gate.outbox, rotated, gate.locate(bearer), now)
        return None
    if rotated is None:
        return None
    access = await gate.signer.for_user(
        rotated.user_id,
        rotated.session_id,
        epoch=rotated.security_epoch,
        auth_time=rotated.auth_time,
        amr=rotated.amr,
        now=now,
        scopes=scopes or rotated.scopes,
        audience=audience,
        jkt=rotated.jkt,
    )
    return Grant(access, rotated.token, rotated.session_id, rotated.user_id, rotated.expires_at, rotated.limit)


async def sign_out(database: Database, outbox: Outbox, user_id: UUID, session_id: UUID, now: datetime) -> None:
    """End a session: its refresh token is revoked, and all services refuse its access tokens."""
    async with database.transaction() as transaction:
        await _end(transaction, outbox, user_id, session_id, "SIGNED_OUT", now, revoked_by=str(user_id))


async def end(
    transaction: Transaction,
    outbox: Outbox,
    user_id: UUID,
    session_id: UUID,
    *,
    reason: str,
    revoked_by: str,
    now: datetime,
) -> bool:
    """End one live session of a user; False when he has no such session, or no longer."""
    if await tokens.find_session(transaction.connection, user_id, session_id, now) is None:
        return False
    return await _end(transaction, outbox, user_id, session_id, reason, now, revoked_by=revoked_by)


async def end_all(
    transaction: Transaction,
    outbox: Outbox,
    user_id: UUID,
    *,
    reason: str,
    revoked_by: str,
    now: datetime,
    keep: UUID | None = None,
    undone_since: datetime | None = None,
) -> int:
    """End every session of a user but `keep`, and say how many those were.

    Without `keep` the user's security epoch is raised too, so that every access token given out before is refused
    everywhere, also one that a sign-in or a refresh under way is about to hand out. Both are waited for: they hold the
    identity, or the line of refresh tokens. `undone_since` is told to the others, who end what lets somebody in there.
    """
    if keep is None:
        over = await identities.raise_security_epoch(transaction, user_id)
        if over is None:
            return 0
        await _refuse_epoch(transaction, outbox, over, _refusal(user_id, reason, revoked_by, now), now, undone_since)
    else:
        await identities.hold(transaction, user_id, now)
    ended = await tokens.revoke_sessions(transaction, user_id, reason, now, keep=keep)
    return await _refuse_ended(transaction, outbox, ended, _refusal(user_id, reason, revoked_by, now), now)


async def end_weaker(
    transaction: Transaction, outbox: Outbox, user_id: UUID, *, keep: UUID | None, reason: str, now: datetime
) -> int:
    """End the sessions of a user but `keep` that have shown no second factor, and say how many those were.

    The caller holds the identity: a sign-in under way is waited for.
    """
    ended = await tokens.revoke_sessions(transaction, user_id, reason, now, keep=keep, spare=SEVERAL_FACTORS)
    return await _refuse_ended(transaction, outbox, ended, _refusal(user_id, reason, str(user_id), now), now)


async def end_on_device(
    transaction: Transaction, outbox: Outbox, user_id: UUID, device_id: str, *, reason: str, now: datetime
) -> int:
    """End the sessions that were begun on one of the user's devices, and say how many those were.

    The caller holds the identity: a sign-in under way is waited for.
    """
    on_device = await tokens.sessions_on_device(transaction, user_id, device_id, now)
    ended = [await _end(transaction, outbox, user_id, session_id, reason, now) for session_id in on_device]
    return sum(ended)


async def end_idle(transaction: Transaction, outbox: Outbox, before: datetime, most: int, now: datetime) -> int:
    """End up to `most` sessions that should have been carried on before then, and say how many those were."""
    rows = [
        _refusal(user_id, "IDLE", "auth", now) | {"session_id": session_id}
        for user_id, session_id in await tokens.expire_idle(transaction, before, most)
    ]
    newly = set(await store.refuse_sessions(transaction.connection, rows)) if rows else set[UUID]()
    for refusal in rows:
        if refusal["session_id"] in newly:
            await outbox.record(transaction, _ended(refusal["session_id"], refusal), now)
    return len(rows)


async def snapshot(database: Database, feed: Feed, now: datetime) -> RevocationSnapshot:
    """Everything refused now, and the feed position to follow on from.

    The position is taken first: what ends in between is told twice, and nothing is missed.
    """
    position = await feed.last_position()
    async with database.autocommit() as connection:
        rows = await store.list_refused_sessions(connection, now)
        over = await store.list_refused_epochs(connection, now)
        proved = await store.list_proofs(connection, now)
    sessions = [EndedSession(session_id=row.session_id, tokens_expire_at=row.expires_at) for row in rows]
    epochs = [
        EndedEpoch(user_id=row.user_id, epoch=row.user_epoch + 1, tokens_expire_at=row.expires_at) for row in over
    ]
    proofs = [
        ProvedSession(session_id=row.session_id, proved_at=row.proved_at, tokens_expire_at=row.expires_at)
        for row in proved
    ]
    return RevocationSnapshot(sessions=sessions, epochs=epochs, proofs=proofs, position=position)


async def refuse_key(
    transaction: Transaction, outbox: Outbox, key_id: UUID, user_id: UUID | None, reason: str, now: datetime
) -> None:
    """Refuse the tokens of an API key that has ended, once; its id stands in them where a session's does."""
    refusal = _refusal(user_id, reason, "user", now)
    if await store.refuse_session(transaction.connection, refusal | {"session_id": key_id}):
        event = ApiKeyEnded(key_id=key_id, reason=reason, ended_at=now, tokens_expire_at=refusal["expires_at"])
        await outbox.record(transaction, event, now)


async def supersede_tokens(
    transaction: Transaction, outbox: Outbox, user_id: UUID, session_id: UUID, now: datetime
) -> None:
    """Refuse the access tokens that a session had before a proof was given in it now (OWASP ASVS 5.0, 7.2.4).

    They are told by their `auth_time`, which is a whole second: those of the very second of the proof stay good.
    """
    proved_at, expires_at = now.replace(microsecond=0), now + LIFETIME + REFUSAL_MARGIN
    values = {"session_id": session_id, "user_id": user_id, "proved_at": proved_at, "expires_at": expires_at}
    await store.refuse_before_proof(transaction.connection, values)
    event = SessionProved(session_id=session_id, user_id=user_id, proved_at=proved_at, tokens_expire_at=expires_at)
    await outbox.record(transaction, event, now)


async def _end_replayed(
    transaction: Transaction, outbox: Outbox, replayed: Replayed, bearer: Bearer, now: datetime
) -> None:
    """End the session of a token that was shown again, and tell its owner; nothing when it had ended before."""
    await tokens.hold_session(transaction, replayed.user_id, replayed.session_id)
    if not await tokens.revoke_session(transaction, replayed.user_id, replayed.session_id, "REUSE_DETECTED", now):
        return
    await _end(transaction, outbox, replayed.user_id, replayed.session_id, "REUSE_DETECTED", now)
    owner = await identities.find(transaction.connection, replayed.user_id, now)
    if owner is not None:
        circumstances = Circumstances.of(bearer, session_id=replayed.session_id)
        await security_events.note(transaction, outbox, TOKEN_REUSED, owner, circumstances, now)


async def _end(
    transaction: Transaction,
    outbox: Outbox,
    user_id: UUID,
    session_id: UUID,
    reason: str,
    now: datetime,
    *,
    revoked_by: str = "auth",
) -> bool:
    """End a session, once; False when it had ended before."""
    await tokens.hold_session(transaction, user_id, session_id)
    refusal = _refusal(user_id, reason, revoked_by, now)
    if not await store.refuse_session(transaction.connection, refusal | {"session_id": session_id}):
        return False
    await tokens.revoke_session(transaction, user_id, session_id, reason, now)
    await outbox.record(transaction, _ended(session_id, refusal), now)
    return True


async def _refuse_ended(
    transaction: Transaction, outbox: Outbox, ended: Sequence[UUID], refusal: dict[str, Any], now: datetime
) -> int:
    """Refuse what the sessions that were ended still hold, and say how many of them were not refused already."""
    if not ended:
        return 0
    newly = await store.refuse_sessions(
        transaction.connection, [refusal | {"session_id": session_id} for session_id in ended]
    )
    for session_id in newly:
        await outbox.record(transaction, _ended(session_id, refusal), now)
    return len(newly)


async def _refuse_epoch(
    transaction: Transaction,
    outbox: Outbox,
    over: int,
    refusal: dict[str, Any],
    now: datetime,
    undone_since: datetime | None,
) -> None:
    await store.refuse_epoch(transaction.connection, refusal | {"user_epoch": over})
    event = SecurityEpochRaised(
        user_id=refusal["user_id"],
        epoch=over + 1,
        reason=refusal["reason"],
        raised_at=now,
        tokens_expire_at=refusal["expires_at"],
        undone_since=undone_since,
    )
    await outbox.record(transaction, event, now)


def _refusal(user_id: UUID | None, reason: str, revoked_by: str, now: datetime) -> dict[str, Any]:
    """What every refusal says, whatever is refused: kept for as long as a token given out now is good."""
    return {
        "user_id": user_id,
        "reason": reason,
        "revoked_by": revoked_by,
        "revoked_at": now,
        "expires_at": now + LIFETIME + REFUSAL_MARGIN,
    }


def _ended(session_id: UUID, refusal: dict[str, Any]) -> SessionEnded:
    return SessionEnded(
        session_id=session_id,
        user_id=refusal["user_id"],
        reason=refusal["reason"],
        ended_at=refusal["revoked_at"],
        tokens_expire_at=refusal["expires_at"],
    )
