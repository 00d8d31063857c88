"""Letting somebody in, over HTTP: a good proof creates a session."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from orion_auth.admission import by_password
from orion_auth.admission.shapes import SignIn
from orion_auth.answers import SECOND_FACTOR_NEEDED, admitted
from orion_auth.components import Wired
from orion_auth.sessions.shapes import SessionGranted
from orion_auth.tokens.actions import Bearer
from orion_core.http.context import Context
from orion_core.http.openapi import refusals

router = APIRouter(prefix="/auth/v1", tags=["sessions"])


@router.post(
    "/sessions",
    status_code=HTTPStatus.CREATED,
    response_model=SessionGranted,
    responses=SECOND_FACTOR_NEEDED
    | refusals(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
async def sign_in(body: SignIn, wired: Wired, context: Context) -> Response:
    """Sign in with a password."""
    now = wired.clock()
    bearer = Bearer(context.ip_address, context.user_agent, body.device_id)
    outcome = await by_password.sign_in(
        wired.gate, wired.lane, email_text=body.email, password=body.password, bearer=bearer, now=now
    )
    return admitted(outcome, now)
