"""Granting tokens to clients."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from uuid import UUID

from orion_auth.gate import Gate
from orion_auth.oauth2.rules import Client, TokenRequestError, check_service, granted_scope, requested_scopes
from orion_auth.oauth2.shapes import Introspection, TokenResponse
from orion_auth.refresh_tokens import actions as refresh_tokens
from orion_auth.refresh_tokens.actions import Known
from orion_auth.sessions import actions as sessions
from orion_auth.signer import AccessTokenSigner
from orion_auth.successors import Successors
from orion_auth.tokens.actions import Bearer
from orion_contracts.claims import AccessClaims, Confirmation
from orion_core.database import Database
from orion_core.errors import Problem
from orion_core.http.authentication import Authenticator
from orion_core.http.rate_limit import RateLimitState


@dataclass(frozen=True)
class Granted:
    """A token response, and where its receiver stands under the rate limit."""

    response: TokenResponse
    limit: RateLimitState | None = None


async def grant_to_service(
    signer: AccessTokenSigner, key_hashes: Mapping[str, str], client: Client, scope: str | None, now: datetime
) -> Granted:
    """An access token for a service that shows its key (RFC 6749 §4.4); it gets no refresh token."""
    check_service(client, key_hashes)
    granted = granted_scope(client, scope)
    token = await signer.for_service(client.id, granted, now)
    return Granted(TokenResponse(access_token=token.text, expires_in=token.expires_in, scope=granted))


async def grant_by_refresh(
    gate: Gate, successors: Successors, refresh_token: str | None, scope: str | None, bearer: Bearer, now: datetime
) -> Granted:
    """The next access token of a session, and the next refresh token (RFC 6749 §6)."""
    if refresh_token is None:
        raise TokenRequestError("invalid_request", "refresh_token is missing.")
    grant = await sessions.refresh(gate, successors, refresh_token, bearer, now, requested_scopes(scope))
    if grant is None:
        raise TokenRequestError("invalid_grant", "The refresh token has ended, was used or was revoked; sign in again.")
    response = TokenResponse(
        access_token=grant.access_token.text,
        expires_in=grant.access_token.expires_in,
        refresh_token=grant.refresh_token,
    )
    return Granted(response, grant.limit)


async def revoke(gate: Gate, authenticate: Authenticator, token: str | None, now: datetime) -> None:
    """End the session that a token belongs to (RFC 7009); what is no good token any more is left as it is.

    Whoever holds a user's token may do that, as he may sign out: it is its own proof. A refresh token that was rotated
    before counts too. A service's access token dies by itself within minutes.
    """
    if token is None:
        raise TokenRequestError("invalid_request", "token is missing.")
    async with gate.database.autocommit() as connection:
        known = await refresh_tokens.find(connection, token, now)
    if known is not None:
        await sessions.sign_out(gate.database, gate.outbox, known.user_id, known.session_id, now)
        return
    claims = await _claims(authenticate, token)
    if claims is not None and claims.sid is not None:
        await sessions.sign_out(gate.database, gate.outbox, UUID(claims.sub), UUID(claims.sid), now)


async def introspect(
    database: Database, authenticate: Authenticator, issuer: str, token: str | None, now: datetime
) -> Introspection:
    """What a token is worth at this moment (RFC 7662); of one that is worth nothing, nothing else is told."""
    if token is None:
        raise TokenRequestError("invalid_request", "token is missing.")
    async with database.autocommit() as connection:
        known = await refresh_tokens.find(connection, token, now)
    if known is not None:
        return _refresh_token(known, issuer) if known.is_active else Introspection(active=False)
    claims = await _claims(authenticate, token)
    if claims is None:
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


async def _claims(authenticate: Authenticator, token: str) -> AccessClaims | None:
    try:
        return await authenticate.examine(token)
    except Problem as problem:
        if problem.status == HTTPStatus.UNAUTHORIZED:
            return None
        raise
