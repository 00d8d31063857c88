"""Proving again who one is, over HTTP."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from orion_auth.components import Claims, Sender, Wired
from orion_auth.proofs import actions
from orion_auth.proofs.actions import Second, Shown
from orion_auth.proofs.shapes import NewProof, ProofCode, ProofCodeSent, Proved
from orion_auth.two_factor.rules import CHALLENGE_LIFETIME
from orion_auth.two_factor_methods import TwoFactorMethod
from orion_core.http.openapi import refusals

router = APIRouter(prefix="/auth/v1", tags=["sessions"])


@router.post(
    "/sessions/current/proofs",
    status_code=HTTPStatus.CREATED,
    responses=refusals(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
async def prove(body: NewProof, response: Response, claims: Claims, wired: Wired, bearer: Sender) -> Proved:
    """Prove again who one is, for what asks for a recent proof (`reauthentication_required`) or for the second factor
    that the account has (`second_factor_needed`).
    """
    now = wired.clock()
    second = Second(TwoFactorMethod(body.method), body.code) if body.method and body.code else None
    shown = Shown(body.password, second)
    token, limit = await actions.prove(wired.gate, wired.lane, claims, shown, bearer, now)
    if limit is not None:
        response.headers.update(limit.headers())
    return Proved(
        access_token=token.text, token_type=token.token_type, expires_in=token.expires_in, authenticated_at=now
    )


@router.post(
    "/sessions/current/proofs/codes",
    status_code=HTTPStatus.ACCEPTED,
    responses=refusals(HTTPStatus.TOO_MANY_REQUESTS),
)
async def send_proof_code(
    body: ProofCode, response: Response, claims: Claims, wired: Wired, bearer: Sender
) -> ProofCodeSent:
    """Have a code sent that proves who one is by the second factor; only the last one counts."""
    limit = await actions.send_code(wired.gate, claims, TwoFactorMethod(body.method), bearer, wired.clock())
    response.headers.update(limit.headers() if limit else {})
    return ProofCodeSent(detail="A code is on its way.", expires_in=int(CHALLENGE_LIFETIME.total_seconds()))
