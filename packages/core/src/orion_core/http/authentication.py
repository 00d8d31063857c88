"""Who is asking: the access token of a request, verified."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_core.access_tokens import Refusals, TokenVerifier
from orion_core.errors import Problem, unauthenticated

Authenticate = Callable[[Request], Awaitable[AccessClaims]]


class Authenticator:
    """Turns the `Authorization: Bearer` header into claims, or into a 401."""

    def __init__(self, verifier: TokenVerifier, refusals: Refusals) -> None:
        self._verifier = verifier
        self._refusals = refusals

    async def __call__(self, request: Request) -> AccessClaims:
        """The claims of the request's token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated("Send an access token: Authorization: Bearer ….", "missing_token")
        return await self.examine(token.strip())

    async def examine(self, token: str) -> AccessClaims:
        """The claims of a good token, wherever it was sent."""
        claims = await self._verifier.verify(token)
        await self._refusals.check(claims)
        return claims


def require_scope(claims: AccessClaims, scope: str) -> None:
    """403 unless the token was given `scope`."""
    if scope not in claims.scopes:
        raise Problem(
            403,
            "insufficient_scope",
            "Not allowed",
            f"This needs an access token with the scope {scope}.",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
        )


def user_id(claims: AccessClaims) -> UUID:
    """The id of the user who is signed in; 403 for the token of a service."""
    if claims.sid is None:
        raise Problem(403, "user_required", "Not allowed", "This is for users who are signed in, not for services.")
    return UUID(claims.sub)
