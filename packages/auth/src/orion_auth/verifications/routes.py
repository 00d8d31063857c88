"""Verifying an e-mail address, over HTTP."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from orion_auth.components import Wired
from orion_auth.tokens.actions import Bearer
from orion_auth.verifications import actions, pages
from orion_auth.verifications.shapes import CodeConfirmation, VerificationAccepted, VerificationRequest
from orion_core.errors import Problem
from orion_core.http.context import Context
from orion_core.http.openapi import refusals
from orion_core.http.pages import PAGE, html, page_or_problem, wants_page

router = APIRouter(prefix="/auth/v1", tags=["verification"])

Token = Annotated[str, Path(max_length=200, description="The token in the link of the mail.")]


@router.post("/verifications", status_code=HTTPStatus.ACCEPTED, responses=refusals(HTTPStatus.TOO_MANY_REQUESTS))
async def request_verification(
    body: VerificationRequest, wired: Wired, context: Context, response: Response
) -> VerificationAccepted:
    """Ask for another verification mail. The answer does not tell whether the address is known."""
    bearer = Bearer(context.ip_address, context.user_agent)
    state = await actions.resend(wired.database, wired.mailing, body.email, bearer, wired.clock())
    response.headers.update(state.headers() if state else {})
    return VerificationAccepted(detail="If this address waits to be verified, a mail is on its way.")


@router.get("/verifications/{token}", response_class=HTMLResponse, responses={410: PAGE})
@router.head("/verifications/{token}", include_in_schema=False)
async def read_verification(token: Token, wired: Wired) -> HTMLResponse:
    """The page behind the link: a button. Opening it changes nothing, however often."""
    match await actions.look_up(wired.database, token, wired.clock()):
        case "GOOD":
            return html(pages.question(token), 200)
        case "USED":
            return html(pages.used(), 410)
        case _:
            return html(pages.dead(), 410)


@router.post(
    "/verifications/{token}/confirmation",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses={200: PAGE} | page_or_problem(HTTPStatus.GONE),
)
async def confirm_verification(token: Token, request: Request, wired: Wired) -> Response:
    """Verify the address. 204, or a page for a browser; 410 when the link was used or has ended."""
    try:
        await actions.confirm_by_link(wired.database, wired.mailing, token, wired.clock())
    except Problem as problem:
        if not wants_page(request):
            raise
        return html(pages.dead(), problem.status)
    return html(pages.verified(), 200) if wants_page(request) else Response(status_code=204)


@router.post(
    "/email-verifications",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=refusals(HTTPStatus.TOO_MANY_REQUESTS),
)
async def confirm_code(body: CodeConfirmation, wired: Wired, context: Context) -> Response:
    """Verify the address with the code from the mail."""
    state = await actions.confirm_by_code(
        wired.database, wired.mailing, body.email, body.code, context.ip_address, wired.clock()
    )
    return Response(status_code=204, headers=state.headers() if state else {})
