""" "This wasn't me", over HTTP."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from orion_auth.bearers import bearer_of
from orion_auth.components import Wired
from orion_auth.disavowals import actions, pages
from orion_auth.pages import html
from orion_core.errors import Problem
from orion_core.http.openapi import refusals

router = APIRouter(prefix="/auth/v1/disavowals", tags=["devices"])

_PAGE: dict[str, Any] = {
    "description": "A page, for a browser",
    "content": {"text/html": {"schema": {"type": "string"}}},
}

Token = Annotated[str, Path(max_length=200, description="The token in the link of the notice.")]


@router.get("/{token}", response_class=HTMLResponse, responses={410: _PAGE})
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
    responses={200: _PAGE, 410: _PAGE | {"content": _PAGE["content"] | refusals(HTTPStatus.GONE)[410]["content"]}},
)
async def confirm_disavowal(token: Token, request: Request, wired: Wired) -> Response:
    """End all sessions, block the device, and let nobody in by the password until it is reset.

    204, or a page for a browser; 410 when the link was used or has ended.
    """
    wants_page = "text/html" in request.headers.get("accept", "")
    try:
        await actions.disavow(wired.database, wired.mailing, token, bearer_of(request), wired.clock())
    except Problem as problem:
        if not wants_page:
            raise
        return html(pages.dead(), problem.status)
    return html(pages.done(), 200) if wants_page else Response(status_code=204)
