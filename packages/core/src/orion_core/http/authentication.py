"""Who is asking: the access token of a request, verified."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_core.access_tokens import Refusals, TokenVerifier
from orion_core.clock import Clock
from orion_core.dpop import CHALLENGE, SCHEME, InvalidProofError, ProofReader, SeenProofs
from orion_core.errors import Problem
from orion_core.http.context import EXCHANGE, IpAddress

Authenticate = Callable[[Request], Awaitable[AccessClaims]]

IMPORTS = "identities:import"
"""The scope with which the user service brings over users of another system."""

AUDIENCES = "audiences:read"
"""The scope of the service that asks who is meant by a role, an organization or a tag."""

PERSONAL_DATA = "personal_data:read"
"""The scope with which the user service reads what the others know of a person."""
RECENT = timedelta(minutes=5)
"""How long a proof is good for changes that somebody at an unlocked screen must not make."""

SCHEMES = ("bearer", SCHEME.lower())


class Authenticator:
    """Turns the `Authorization` header into claims, or into a 401.

    A token that is bound to a key (`cnf`) comes as `DPoP`, with a proof of that key for this very request (RFC 9449
    §7.1); it is no good as `Bearer`, and any other token is none as `DPoP`.
    """

    def __init__(
        self,
        verifier: TokenVerifier,
        refusals: Refusals,
        proofs: ProofReader,
        clock: Clock,
        *,
        bound_only: bool = False,
    ) -> None:
        """`bound_only`: take no token that is not bound to a key."""
        self._verifier = verifier
        self._refusals = refusals
        self._proofs = proofs
        self._clock = clock
        self._bound_only = bound_only
        self._seen = SeenProofs()

    async def __call__(self, request: Request) -> AccessClaims:
        """The claims of the request's token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() not in SCHEMES or not token:
            raise _no_token()
        token = token.strip()
        claims = await self.examine(token)
        if self._bound_only and claims.cnf is None:
            raise _dpop_refusal(
                "invalid_token", "Here every token is bound to a key: get one by showing a DPoP proof (RFC 9449)."
            )
        if scheme.lower() != "bearer":
            self._check_proof(request, token, claims)
        elif claims.cnf is not None:
            raise _dpop_refusal(
                "invalid_token", "This token is bound to a key: send it as DPoP, with a proof of the key."
            )
        if (exchange := EXCHANGE.get()) is not None:
            exchange.claims = claims
        return claims

    async def examine(self, token: str) -> AccessClaims:
        """The claims of a good token, wherever it was sent; what it is bound to is for the caller to see to."""
        claims = await self._verifier.verify(token)
        await self._refusals.check(claims)
        return claims

    def _check_proof(self, request: Request, token: str, claims: AccessClaims) -> None:
        if claims.cnf is None:
            raise _dpop_refusal("invalid_token", "This token is bound to no key: send it as Bearer.")
        now = self._clock()
        try:
            proof = self._proofs.read(request, now, token)
        except InvalidProofError as error:
            raise _dpop_refusal(error.code, error.detail) from None
        if proof.jkt != claims.cnf.jkt:
            raise _dpop_refusal("invalid_dpop_proof", "The DPoP proof is of another key than the token is bound to.")
        if not self._seen.is_first(proof, now):
            raise _dpop_refusal("invalid_dpop_proof", "The DPoP proof was shown before; make one for each request.")


def _no_token() -> Problem:
    detail = "Send an access token: Authorization: Bearer …, or DPoP … when it is bound to a key."
    return Problem(401, "missing_token", "Not signed in", detail, headers={"WWW-Authenticate": f"Bearer, {CHALLENGE}"})


def _dpop_refusal(error: str, detail: str) -> Problem:
    """401 with the challenge of RFC 9449 §7.1."""
    challenge = f'{CHALLENGE}, error="{error}"'
    return Problem(401, error, "Not signed in", detail, headers={"WWW-Authenticate": challenge})


class InsufficientScopeError(Problem):
    """403: the token was not given `scope`."""

    def __init__(self, claims: AccessClaims, scope: str) -> None:
        super().__init__(
            403,
            "insufficient_scope",
            "Not allowed",
            f"This needs an access token with the scope {scope}.",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
        )
        self.claims = claims
        self.scope = scope


def require_scope(claims: AccessClaims, scope: str) -> None:
    """403 unless the token was given `scope`.

    Scopes of this kind are for services and operators. What an API key's scope names are permissions, which may be
    called alike and mean nothing here.
    """
    if scope not in claims.scopes or claims.is_of_api_key:
        raise InsufficientScopeError(claims, scope)


def require_network(claims: AccessClaims, address: IpAddress) -> None:
    """403 where the token of an API key names networks, and `address` is in none of them.

    For services that do not have the key itself to look at.
    """
    if claims.networks is not None and not any(address in network for network in claims.networks):
        raise wrong_network()


def wrong_network() -> Problem:
    """The answer to whoever uses an API key from where it is not for."""
    detail = "This API key may not be used from this address; its owner has named the networks that it is for."
    return Problem(403, "api_key_address", "Not from here", detail)


def user_id(claims: AccessClaims) -> UUID:
    """The id of the user who is signed in; 403 for the token of a service or of an API key.

    What belongs to somebody in person is no key's to see or change, whatever its scopes are called; where a permission
    is asked for, keys are welcome.
    """
    if claims.sid is None:
        raise Problem(403, "user_required", "Not allowed", "This is for users who are signed in, not for services.")
    refuse_api_key(claims)
    return UUID(claims.sub)


def refuse_api_key(claims: AccessClaims) -> None:
    """403 for the token of an API key, where somebody has to be there in person or to answer for it."""
    if claims.is_of_api_key:
        detail = "This is for the user in person: sign in. A key opens what its permissions name, nothing else."
        raise Problem(403, "api_key_refused", "Not for API keys", detail)


def require_recent(claims: AccessClaims, now: datetime, within: timedelta = RECENT) -> None:
    """Refuse (401) a token whose owner has not proved who he is within this time.

    `auth_time` tells; refreshing does not move it. The challenge is RFC 9470's, so a client knows what to do.
    """
    if claims.auth_time is not None and now.timestamp() - claims.auth_time <= within.total_seconds():
        return
    seconds = int(within.total_seconds())
    challenge = (
        'Bearer error="insufficient_user_authentication", '
        f'error_description="A more recent authentication is required", max_age="{seconds}"'
    )
    detail = f"This needs a proof of who you are that is at most {seconds} seconds old; give one, then try again."
    raise Problem(
        401, "reauthentication_required", "Prove who you are again", detail, headers={"WWW-Authenticate": challenge}
    )
