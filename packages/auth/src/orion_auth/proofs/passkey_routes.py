"""Proving again who one is with a passkey, over HTTP."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from orion_auth.bearers import bearer_of
from orion_auth.components import Claims, Party, Wired
from orion_auth.passkeys.shapes import KeyShown, RequestOptions
from orion_auth.proofs import by_passkey
from orion_auth.proofs.shapes import Proved
from orion_core.http.openapi import refusals

router = APIRouter(
    prefix="/auth/v1/sessions/current/passkey-proofs",
    tags=["passkeys"],
    responses=refusals(HTTPStatus.TOO_MANY_REQUESTS),
)


@router.post("/options", status_code=HTTPStatus.CREATED)
async def ask_for_proof(
    request: Request, response: Response, claims: Claims, wired: Wired, party: Party
) -> RequestOptions:
    """Get what `PublicKeyCredential.parseRequestOptionsFromJSON` reads, good for five minutes and one answer."""
    options, limit = await by_passkey.offer(wired.gate, party, claims, bearer_of(request), wired.clock())
    response.headers.update(limit.headers() if limit else {})
    return options


@router.post("", status_code=HTTPStatus.CREATED)
async def prove_by_passkey(
    body: KeyShown, request: Request, response: Response, claims: Claims, wired: Wired, party: Party
) -> Proved:
    """Prove again who one is by a passkey or a key, for what asks for a recent proof (`reauthentication_required`)."""
    now = wired.clock()
    token, limit = await by_passkey.prove(wired.gate, party, claims, body.credential, bearer_of(request), now)
    response.headers.update(limit.headers() if limit else {})
    return Proved(
        access_token=token.text, token_type=token.token_type, expires_in=token.expires_in, authenticated_at=now
    )
