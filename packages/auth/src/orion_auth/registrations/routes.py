"""Registering, over HTTP."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from orion_auth.components import Sender, Wired
from orion_auth.registrations import actions
from orion_auth.registrations.actions import Applicant
from orion_auth.registrations.shapes import Registration, RegistrationAccepted
from orion_core.http.idempotency import Claim
from orion_core.http.openapi import refusals
from orion_core.http.rate_limit import RateLimitState

router = APIRouter(prefix="/auth/v1", tags=["registration"])

ACCEPTED = RegistrationAccepted(detail="A mail is on its way. Follow its link, or type its code, to begin.")


@router.post(
    "/identities",
    status_code=HTTPStatus.ACCEPTED,
    response_model=RegistrationAccepted,
    responses=refusals(HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def register(body: Registration, request: Request, wired: Wired, bearer: Sender) -> Response:
    """Register. The answer does not tell whether the address has an account already."""
    applicant = Applicant(body.email, body.username, body.name, body.locale, body.timezone)

    async def work(claim: Claim[RateLimitState | None]) -> RateLimitState | None:
        return await actions.register(
            wired.database,
            wired.lane,
            wired.password_policy,
            wired.address_policy,
            wired.mailing,
            applicant,
            body.password,
            bearer=bearer,
            claim=claim,
            now=wired.clock(),
        )

    return await wired.idempotency.once(request, "anybody", work, _accepted)


def _accepted(state: RateLimitState | None) -> Response:
    return JSONResponse(ACCEPTED.model_dump(), HTTPStatus.ACCEPTED, state.headers() if state else None)
