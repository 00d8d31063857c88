"""Proving again who one is with a passkey or a key, for those who have no password, or would rather not type it."""

import time
from datetime import datetime
from uuid import UUID

from orion_auth.gate import Gate
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.login_attempts import actions as login_attempts
from orion_auth.login_attempts.actions import Attempt, Finding
from orion_auth.login_attempts.rules import LoginMethod
from orion_auth.passkeys import actions as passkeys
from orion_auth.passkeys.actions import Asked
from orion_auth.passkeys.rules import WebAuthnPurpose
from orion_auth.passkeys.shapes import RequestOptions, UsedCredential
from orion_auth.proofs.actions import session_over, token_after
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.relying_party import RelyingParty
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import PROOF_FAILED, PROOF_GIVEN
from orion_auth.sessions import actions as sessions
from orion_auth.signer import AccessToken
from orion_auth.tokens import actions as tokens
from orion_auth.tokens.actions import Bearer
from orion_contracts.claims import AccessClaims
from orion_core.database import Transaction
from orion_core.errors import Problem
from orion_core.http.authentication import user_id
from orion_core.http.rate_limit import RateLimitState, told_under


async def offer(
    gate: Gate, party: RelyingParty, claims: AccessClaims, bearer: Bearer, now: datetime
) -> tuple[RequestOptions, RateLimitState | None]:
    """What asks for a key of the session's owner."""
    limit = await rate_limits.take_passkey(gate.database, bearer.ip_address, now)
    owner = user_id(claims)
    async with gate.database.transaction() as transaction:
        rows = await passkeys.list_of(transaction.connection, owner)
        challenge = await passkeys.open_challenge(
            transaction.connection, Asked(WebAuthnPurpose.PROOF, owner), now, needs_verification=False
        )
    return passkeys.request_options(party, challenge, rows, "preferred"), limit


async def prove(
    gate: Gate, party: RelyingParty, claims: AccessClaims, credential: UsedCredential, bearer: Bearer, now: datetime
) -> tuple[AccessToken, RateLimitState | None]:
    """Take a key of the session's owner as proof, and give an access token whose `auth_time` is now.

    The session counts as one that has shown several factors from now on: it began with another proof, or with a passkey
    that had verified its user. 422 when it is none of his keys; the try is counted with those at his second factor in
    the session.
    """
    started = time.perf_counter()
    owner = user_id(claims)
    limit = await rate_limits.take_two_factor(
        gate.database, owner, now, device=rate_limits.in_session(UUID(claims.sid))
    )
    circumstances = Circumstances.of(gate.locate(bearer), session_id=UUID(claims.sid))
    async with gate.database.transaction() as transaction:
        identity = await identities.hold(transaction, owner, now)
        if identity is None or identity.standing != "GOOD":
            raise session_over()
        amr = await _show(transaction, gate, party, identity, credential, circumstances, now)
        if amr is None:
            attempt = Attempt(LoginMethod.PASSKEY, identity.email, bearer.ip_address, bearer.user_agent, None, now)
            login_attempts.record(
                transaction,
                attempt,
                Finding("FAILED", "WRONG_PASSKEY"),
                user_id=owner,
                duration_ms=int((time.perf_counter() - started) * 1000),
            )
    if amr is None:
        detail = "This is not the answer of a key of this account. Ask for options anew; the session goes on as it was."
        raise told_under(limit, Problem(422, "invalid_passkey", "Invalid passkey", detail))
    return await token_after(gate, claims, identity, amr, now), limit


async def _show(
    transaction: Transaction,
    gate: Gate,
    party: RelyingParty,
    identity: KnownIdentity,
    credential: UsedCredential,
    circumstances: Circumstances,
    now: datetime,
) -> tuple[str, ...] | None:
    """By what the session's owner has proved who he is, written down; None when the key is not his."""
    asked = Asked(WebAuthnPurpose.PROOF, identity.id)
    shown = await passkeys.show(transaction, party, asked, credential.assertion, now)
    if shown is not None:
        await passkeys.tell_of_copy(transaction, gate.outbox, shown, identity, circumstances, now)
    if shown is None or shown.outcome == "CLONED":
        await security_events.note(transaction, gate.outbox, PROOF_FAILED, identity, circumstances, now)
        return None
    assert circumstances.session_id is not None
    session = await tokens.find_session(transaction.connection, identity.id, circumstances.session_id, now)
    if session is None:
        raise session_over()
    amr = tuple(dict.fromkeys((*session.amr, *shown.amr, "mfa")))
    if not await tokens.note_proof(transaction, identity.id, session.id, amr, now):
        raise session_over()
    await sessions.supersede_tokens(transaction, gate.outbox, identity.id, session.id, now)
    identities.note_login(transaction, identity.id)
    await security_events.note(transaction, gate.outbox, PROOF_GIVEN, identity, circumstances, now)
    return amr
