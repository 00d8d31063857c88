"""Who is asking: the access token of a request, verified."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_core.access_tokens import Refusals, TokenVerifier
from orion_core.clock import Clock
from orion_core.dpop import CHALLENGE, SCHEME, InvalidProofError, ProofReader, SeenProofs
from orion_core.errors import Problem

Authenticate = Callable[[Request], Awaitable[AccessClaims]]

IMPORTS = "identities:import"
"""The scope with which the user service brings over users of another system."""

PERSONAL_DATA = "personal_data:read"
"""The scope with which the user service reads what the others know of a person."""

SCHEMES = ("bearer", SCHEME.lower())


class Authenticator:
    """Turns the `Authorization` header into claims, or into a 401.

    A token that is bound to a key (`cnf`) comes as `DPoP`, with a proof of that key for this very request (RFC 9449
    §7.1); it is no good as `Bearer`, and any other token is none as `DPoP`.
    """

    def __init__(self, verifier: TokenVerifier, refusals: Refusals, proofs: ProofReader, clock: Clock) -> None:
        self._verifier = verifier
        self._refusals = refusals
        self._proofs = proofs
        self._clock = clock
        self._seen = SeenProofs()

    async def __call__(self, request: Request) -> AccessClaims:
        """The claims of the request's token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() not in SCHEMES or not token:
            raise _no_token()
        token = token.strip()
        claims = await self.examine(token)
        if scheme.lower() != "bearer":
            self._check_proof(request, token, claims)
        elif claims.cnf is not None:
            raise _dpop_refusal(
                "invalid_token", "This token is bound to a key: send it as DPoP, with a proof of the key."
            )
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
