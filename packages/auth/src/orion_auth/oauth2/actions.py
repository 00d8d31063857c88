"""Granting tokens to clients."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from uuid import UUID

from orion_auth.dpop import actions as dpop
from orion_auth.gate import Gate
from orion_auth.oauth2.rules import (
    TokenRequestError,
    granted_audience,
    granted_scope,
    is_for,
    requested_scopes,
)
from orion_auth.oauth2.shapes import Introspection, TokenResponse
from orion_auth.refresh_tokens import actions as refresh_tokens
from orion_auth.refresh_tokens.actions import Known, Rotations
from orion_auth.sessions import actions as sessions
from orion_auth.signer import AccessToken
from orion_auth.tokens.actions import Bearer
from orion_contracts.claims import AccessClaims, Confirmation
from orion_core.database import Database
from orion_core.dpop import Proof
from orion_core.errors import Problem
from orion_core.http.rate_limit import RateLimitState

Examine = Callable[[str], Awaitable[AccessClaims]]
"""The claims of a good access token; a 401 Problem for any other."""


@dataclass(frozen=True)
class Granted:
    """A token response, and where its receiver stands under the rate limit."""

    response: TokenResponse
    limit: RateLimitState | None = None


@dataclass(frozen=True)
class Wanted:
    """What an access token is asked for."""

    scope: str | None
    resource: str | None
    """RFC 8707: whom the token is for."""


async def grant_to_service(gate: Gate, service: str, wanted: Wanted, proof: Proof | None, now: datetime) -> Granted:
    """An access token for a service that is known (RFC 6749 §4.4); it gets no refresh token."""
    scope, audience = granted_scope(service, wanted.scope), granted_audience(wanted.resource)
    if proof is not None:
        async with gate.database.autocommit() as connection:
            await dpop.use(connection, proof, now)
    jkt = proof.jkt if proof is not None else None
    token = await gate.signer.for_service(service, scope, now, audience=audience, jkt=jkt)
    return Granted(response_of(token, scope=scope))


async def grant_by_refresh(
    gate: Gate, rotations: Rotations, refresh_token: str | None, wanted: Wanted, bearer: Bearer, now: datetime
) -> Granted:
    """The next access token of a session, and the next refresh token (RFC 6749 §6)."""
    if refresh_token is None:
        raise TokenRequestError("invalid_request", "refresh_token is missing.")
    scopes, audience = requested_scopes(wanted.scope), granted_audience(wanted.resource)
    grant = await sessions.refresh(gate, rotations, refresh_token, bearer, now, scopes, audience)
    if grant is None:
        await _refuse_scopes(gate.database, refresh_token, scopes, bearer, now)
        raise TokenRequestError("invalid_grant", "The refresh token has ended, was used or was revoked; sign in again.")
    return Granted(response_of(grant.access_token, refresh_token=grant.refresh_token), grant.limit)


async def _refuse_scopes(
    database: Database, refresh_token: str, scopes: tuple[str, ...], bearer: Bearer, now: datetime
) -> None:
    """Say so if a token that is good was asked for too much (RFC 6749 §5.2): whoever is told that it has ended signs
    his user out.
    """
    if not scopes:
        return
    async with database.autocommit() as connection:
        known = await refresh_tokens.find(connection, refresh_token, now)
    if known is not None and known.is_active and known.jkt in (None, bearer.jkt) and not set(scopes) <= {*known.scopes}:
        may_have = " ".join(known.scopes) or "none, as every session; leave scope out"
        raise TokenRequestError("invalid_scope", f"This refresh token may have: {may_have}.")


def response_of(token: AccessToken, **more: str) -> TokenResponse:
    """The answer with a token (RFC 6749 §5.1)."""
    return TokenResponse(access_token=token.text, token_type=token.token_type, expires_in=token.expires_in, **more)


async def revoke(gate: Gate, examine_any: Examine, token: str | None, now: datetime) -> None:
    """End the session that a token belongs to (RFC 7009); what is no good token any more is left as it is.

    Whoever holds a user's token may do that, as he may sign out: it is its own proof, for whichever service it is. A
    refresh token that was rotated before counts too. The access token of a service or an API key cannot be ended alone,
    and whoever asks is told so: it dies by itself within minutes, and a key is revoked where it was made.
    """
    if token is None:
        raise TokenRequestError("invalid_request", "token is missing.")
    async with gate.database.autocommit() as connection:
        known = await refresh_tokens.find(connection, token, now)
    if known is not None:
        await sessions.sign_out(gate.database, gate.outbox, known.user_id, known.session_id, now)
        return
    claims = await _claims(examine_any, token)
    if claims is None:
        return
    if claims.sid is None or claims.is_of_api_key:
        detail = "The token of a service or an API key ends by itself within minutes; revoke the key where it was made."
        raise TokenRequestError("unsupported_token_type", detail)
    await sessions.sign_out(gate.database, gate.outbox, UUID(claims.sub), UUID(claims.sid), now)


async def introspect(
    database: Database, examine_any: Examine, issuer: str, service: str, token: str | None, now: datetime
) -> Introspection:
    """What a token is worth to a service at this moment (RFC 7662); of what is worth nothing, nothing else is told.

    An access token that is for other services alone (RFC 8707), auth not among them, is worth nothing to this one.
    """
    if token is None:
        raise TokenRequestError("invalid_request", "token is missing.")
    async with database.autocommit() as connection:
        known = await refresh_tokens.find(connection, token, now)
    if known is not None:
        return _refresh_token(known, issuer) if known.is_active else Introspection(active=False)
    claims = await _claims(examine_any, token)
    if claims is None or not is_for(claims.audiences, service):
        return Introspection(active=False)
    told = claims.model_dump(exclude={"epoch"}, exclude_none=True)
    return Introspection(active=True, token_type="DPoP" if claims.cnf else "Bearer", **told)


def _refresh_token(known: Known, issuer: str) -> Introspection:
    return Introspection(
        active=True,
        token_type="refresh_token",
        iss=issuer,
        sub=str(known.user_id),
        sid=str(known.session_id),
        client_id=known.client_id,
        scope=" ".join(known.scopes),
        iat=int(known.issued_at.timestamp()),
        exp=int(known.expires_at.timestamp()),
        cnf=Confirmation(jkt=known.jkt) if known.jkt is not None else None,
    )


async def _claims(examine: Examine, token: str) -> AccessClaims | None:
    try:
        return await examine(token)
    except Problem as problem:
        if problem.status == HTTPStatus.UNAUTHORIZED:
            return None
        raise
