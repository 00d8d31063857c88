"""Proving again who one is, over HTTP."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from orion_auth.components import Claims, Wired
from orion_auth.proofs import actions
from orion_auth.proofs.shapes import NewProof, Proved
from orion_auth.tokens.actions import Bearer
from orion_core.http.context import Context
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
async def prove(body: NewProof, response: Response, claims: Claims, wired: Wired, context: Context) -> Proved:
    """Prove again who one is, for what asks for a recent proof (`reauthentication_required`)."""
    now = wired.clock()
    bearer = Bearer(context.ip_address, context.user_agent)
    token, limit = await actions.prove(wired.gate, wired.lane, claims, body.password, bearer, now)
    if limit is not None:
        response.headers.update(limit.headers())
    return Proved(
        access_token=token.text, token_type=token.token_type, expires_in=token.expires_in, authenticated_at=now
    )
