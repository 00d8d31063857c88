"""Invitations, over HTTP: administrators send them, their readers accept."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from orion_auth.components import Host, Wired
from orion_auth.invitations import actions
from orion_auth.invitations.actions import Guest
from orion_auth.invitations.shapes import Acceptance, InvitationState, NewInvitation
from orion_auth.pages import PASSWORD_FORM, form, posted
from orion_core.errors import Problem
from orion_core.http.openapi import refusals
from orion_core.http.pages import PAGE, html, page
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Page, link_next

router = APIRouter(prefix="/auth/v1", tags=["invitations"])

Token = Annotated[str, Path(max_length=200, description="The token in the link of the mail.")]


LISTING = "invitations by user"


@router.get("/invitations", responses=refusals(HTTPStatus.BAD_REQUEST))
async def list_open(
    _: Host,
    wired: Wired,
    request: Request,
    response: Response,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> Page[InvitationState]:
    """Invitations that nobody has accepted yet, those to the latest accounts first."""
    before: UUID | None = None if cursor is None else wired.cursors.read(LISTING, cursor)[0]
    found = await actions.list_open(wired.database, before, limit + 1, wired.clock())
    items = [InvitationState(**asdict(each)) for each in found[:limit]]
    following = wired.cursors.issue(LISTING, [items[-1].user_id]) if len(found) > limit else None
    link_next(request, response, following)
    return Page(items=items, next=following)


@router.post("/invitations", status_code=HTTPStatus.CREATED, responses=refusals(HTTPStatus.CONFLICT))
async def invite(body: NewInvitation, claims: Host, wired: Wired) -> InvitationState:
    """Invite somebody. An address that waits to be verified is invited again, and the earlier link dies."""
    guest = Guest(body.email, body.username, body.name, body.locale, body.timezone)
    sent = await actions.invite(wired.database, wired.mailing, guest, claims.sub, wired.clock())
    return InvitationState(**asdict(sent))


@router.delete(
    "/invitations/{invitation_id}", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.NOT_FOUND)
)
async def cancel(invitation_id: UUID, _: Host, wired: Wired) -> None:
    """Take an invitation back."""
    await actions.cancel(wired.database, invitation_id, wired.clock())


@router.get("/invitation-links/{token}", response_class=HTMLResponse, responses={410: PAGE})
@router.head("/invitation-links/{token}", include_in_schema=False)
async def read(token: Token, wired: Wired) -> HTMLResponse:
    """The page behind the link, where the password is chosen. Opening it changes nothing, however often."""
    try:
        await actions.look_up(wired.database, token, wired.clock())
    except Problem as problem:
        return html(page(problem.title, problem.detail), problem.status)
    return html(_question(token), 200)


@router.post(
    "/invitation-links/{token}/acceptance",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses={200: PAGE} | refusals(HTTPStatus.GONE, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def accept(body: Acceptance, token: Token, wired: Wired) -> None:
    """Accept an invitation by choosing a password; then sign in with it."""
    await actions.accept(
        wired.database, wired.lane, wired.password_policy, wired.mailing, token, body.password, wired.clock()
    )


@router.post(
    "/invitation-links/{token}",
    response_class=HTMLResponse,
    responses={410: PAGE, 422: PAGE, 503: PAGE},
    openapi_extra=PASSWORD_FORM,
)
async def accept_by_page(token: Token, request: Request, wired: Wired) -> HTMLResponse:
    """The same, for the form of the page."""
    try:
        body = Acceptance(password=posted(await request.body(), "password"))
        await accept(body, token, wired)
    except ValidationError:
        return html(_question(token, "A password has 8 to 256 characters."), HTTPStatus.UNPROCESSABLE_ENTITY)
    except Problem as problem:
        if problem.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            return html(_question(token, problem.detail), problem.status)
        return html(page(problem.title, problem.detail), problem.status)
    return html(page("Welcome", "Your account is ready. You can close this page and sign in."), 200)


def _question(token: str, fault: str = "") -> str:
    text = fault or "Choose a password, and the account is yours."
    return page("You are invited", text, form(f"/auth/v1/invitation-links/{token}", "Set the password"))
