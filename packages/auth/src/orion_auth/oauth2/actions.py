"""Granting tokens to clients."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from orion_auth.gate import Gate
from orion_auth.oauth2.rules import Client, TokenRequestError, check_service, granted_scope, requested_scopes
from orion_auth.oauth2.shapes import TokenResponse
from orion_auth.refresh_tokens.actions import Successors
from orion_auth.sessions import actions as sessions
from orion_auth.signer import AccessTokenSigner
from orion_auth.tokens.actions import Bearer
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
