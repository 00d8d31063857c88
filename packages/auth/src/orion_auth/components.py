"""What the routes of auth work with, put together once by `app`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from orion_auth.address_policy import AddressPolicy
from orion_auth.bearers import PROOF
from orion_auth.gate import Gate
from orion_auth.hashing import HashingLane
from orion_auth.key_desk import KeyDesk
from orion_auth.mailing import Mailing
from orion_auth.password_policy import PasswordPolicy
from orion_auth.providers.actions import Providers
from orion_auth.refresh_tokens.actions import Rotations
from orion_auth.relying_party import RelyingParty
from orion_auth.settings import AuthSettings
from orion_auth.signer import AccessTokenSigner
from orion_auth.taking_back import TakeBack
from orion_auth.tokens.actions import Bearer
from orion_auth.visitors import Visitors
from orion_contracts.claims import AccessClaims
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.dpop import ProofReader, proof_missing
from orion_core.errors import Problem
from orion_core.events.feed import Feed
from orion_core.events.outbox import Outbox
from orion_core.http.authentication import Authenticator, refuse_api_key
from orion_core.http.context import Context
from orion_core.http.idempotency import IdempotencyKeys
from orion_core.http.openapi import BEARER
from orion_core.paging import Cursors
from orion_core.rights.guard import Guard


@dataclass(frozen=True)
class Components:
    """The parts of one running auth."""

    settings: AuthSettings
    database: Database
    clock: Clock
    feed: Feed
    outbox: Outbox
    mailing: Mailing
    lane: HashingLane
    password_policy: PasswordPolicy
    address_policy: AddressPolicy
    signer: AccessTokenSigner
    gate: Gate
    visitors: Visitors
    rotations: Rotations
    providers: Providers
    relying_party: RelyingParty | None
    authenticate: Authenticator
    examine_any: Callable[[str], Awaitable[AccessClaims]]
    """The claims of a good access token, for whichever service it is: to end it, never to act on it."""
    proofs: ProofReader
    idempotency: IdempotencyKeys
    cursors: Cursors
    keys: KeyDesk
    guard: Guard
    binds_all: bool
    """Whether every token must be bound to a key."""
    taken_back: tuple[TakeBack, ...]
    """What is undone when an owner says that a sign-in was not his."""


async def _components(request: Request) -> Components:
    # A coroutine, though it waits for nothing: FastAPI takes what is none to a thread and back, in every request.
    return request.app.state.components


Wired = Annotated[Components, Depends(_components)]
"""The components, as a parameter of a route."""


def _relying_party(wired: Wired) -> RelyingParty:
    if wired.relying_party is None:
        detail = "This installation does not use passkeys; whoever runs it sets AUTH_PASSKEY_ORIGINS."
        raise Problem(403, "passkeys_off", "No passkeys here", detail)
    return wired.relying_party


Party = Annotated[RelyingParty, Depends(_relying_party)]
"""Who we are to authenticators; 403 where no page may use passkeys."""


async def claims_of(request: Request, wired: Wired) -> AccessClaims:
    """The claims of the caller's access token; the request is refused without a good one, and with one of an API key:
    accounts are somebody's in person."""
    claims = await wired.authenticate(request)
    refuse_api_key(claims)
    return claims


async def _claims(request: Request, wired: Wired, _: Annotated[object, Depends(BEARER)]) -> AccessClaims:
    return await claims_of(request, wired)


Claims = Annotated[AccessClaims, Depends(_claims)]
"""`claims_of`, as a parameter of a route."""


async def read_proof(request: Request, wired: Wired) -> None:
    """Read the proof of a key that a request to sign in may show (RFC 9449 §5), for `bearer_of`; 400 for a bad one.

    Where every token must be bound each step needs one, but what a browser is sent to by somebody else.
    """
    if "dpop" in request.headers:
        request.scope[PROOF] = wired.proofs.read(request, wired.clock())
    elif wired.binds_all and request.method == "POST" and not request.url.path.endswith("/callback"):
        raise proof_missing()


async def _sender(context: Context, wired: Wired) -> Bearer:
    return wired.gate.locate(Bearer(context.ip_address, context.user_agent))


Sender = Annotated[Bearer, Depends(_sender)]
"""Who sends a request, as far as the network tells, and where on Earth that is thought to be."""


def _who_may(permission: str) -> Any:
    async def permitted(claims: Claims, wired: Wired) -> AccessClaims:
        await wired.guard.require(claims, permission)
        return claims

    return Depends(permitted)


# The claims of an administrator, or of the operator; 403 for everybody else.
Investigator = Annotated[AccessClaims, _who_may("security_event:read")]
Reader = Annotated[AccessClaims, _who_may("system:read")]
Configurer = Annotated[AccessClaims, _who_may("system:configure")]
Host = Annotated[AccessClaims, _who_may("user:create")]
Suspender = Annotated[AccessClaims, _who_may("user:suspend")]
Rescuer = Annotated[AccessClaims, _who_may("account:recover")]
