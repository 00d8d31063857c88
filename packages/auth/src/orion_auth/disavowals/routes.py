""" "This wasn't me", over HTTP."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from orion_auth.bearers import bearer_of
from orion_auth.components import Wired
from orion_auth.disavowals import actions, pages
from orion_core.errors import Problem
from orion_core.http.pages import PAGE, html, page_or_problem, wants_page

router = APIRouter(prefix="/auth/v1/disavowals", tags=["devices"])

Token = Annotated[str, Path(max_length=200, description="The token in the link of the notice.")]


@router.get("/{token}", response_class=HTMLResponse, responses={410: PAGE})
@router.head("/{token}", include_in_schema=False)
async def read_disavowal(token: Token, wired: Wired) -> HTMLResponse:
    """The page behind the link: a button. Opening it changes nothing, however often."""
    match await actions.look_up(wired.database, token, wired.clock()):
        case "GOOD":
            return html(pages.question(token), 200)
        case "USED":
            return html(pages.used(), 410)
        case _:
            return html(pages.dead(), 410)


@router.post(
    "/{token}/confirmation",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses={200: PAGE} | page_or_problem(HTTPStatus.GONE),
)
async def confirm_disavowal(token: Token, request: Request, wired: Wired) -> Response:
    """End all sessions, block the device, and let nobody in by the password until it is reset.

    204, or a page for a browser; 410 when the link was used or has ended.
    """
    try:
        bearer = wired.gate.locate(bearer_of(request))
        await actions.disavow(wired.database, wired.mailing, token, bearer, wired.clock(), wired.taken_back)
    except Problem as problem:
        if not wants_page(request):
            raise
        return html(pages.dead(), problem.status)
    return html(pages.done(), 200) if wants_page(request) else Response(status_code=204)
