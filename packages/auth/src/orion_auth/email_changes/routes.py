"""Changing the address of an account, over HTTP."""

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from orion_auth.components import Claims, Sender, Wired
from orion_auth.email_changes import actions
from orion_auth.email_changes.shapes import EmailChangeAccepted, EmailChangeRequest, EmailChangeState
from orion_auth.two_factor.actions import require_shown
from orion_core.errors import Problem
from orion_core.http.authentication import user_id
from orion_core.http.openapi import refusals
from orion_core.http.pages import PAGE, button, html, page, wants_page

router = APIRouter(prefix="/auth/v1", tags=["e-mail changes"])

_OR_A_PAGE: dict[str, Any] = {"content": PAGE["content"]}

Token = Annotated[str, Path(max_length=200, description="The token in the link of the mail.")]


@router.post(
    "/me/email-changes",
    status_code=HTTPStatus.ACCEPTED,
    responses=refusals(HTTPStatus.TOO_MANY_REQUESTS),
)
async def ask(
    body: EmailChangeRequest, claims: Claims, wired: Wired, bearer: Sender, response: Response
) -> EmailChangeAccepted:
    """Ask for another address. It is changed when the links sent to the old and the new one have both been pressed."""
    subject, now = user_id(claims), wired.clock()
    await require_shown(wired.database, claims, now)
    state = await actions.ask(
        wired.database,
        wired.mailing,
        wired.address_policy,
        subject,
        UUID(claims.sid),
        body.email,
        bearer=bearer,
        now=now,
    )
    response.headers.update(state.headers() if state else {})
    return EmailChangeAccepted(detail="Press the links that were sent to both addresses; they are good for a day.")


@router.delete("/me/email-changes/current", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.NOT_FOUND))
async def cancel(claims: Claims, wired: Wired) -> None:
    """Cancel the change that is under way."""
    await actions.cancel(wired.database, user_id(claims), wired.clock())


@router.get("/email-changes/{token}", response_class=HTMLResponse, responses={410: PAGE})
@router.head("/email-changes/{token}", include_in_schema=False)
async def read(token: Token, wired: Wired) -> HTMLResponse:
    """The page behind the link: a button to agree and one to refuse. Opening it changes nothing, however often."""
    try:
        found = await actions.look_up(wired.database, token, wired.clock())
    except Problem as problem:
        return html(_dead(), problem.status)
    yes = button(f"/auth/v1/email-changes/{token}/confirmation", "Yes, change it")
    no = button(f"/auth/v1/email-changes/{token}/refusal", "No, leave it as it is")
    text = f"From {found.row.old_email} to {found.row.new_email}. Whoever reads the other address has to agree too."
    return html(page("Change the e-mail address of your account?", text, yes + no), 200)


@router.post(
    "/email-changes/{token}/confirmation",
    responses={200: _OR_A_PAGE} | refusals(HTTPStatus.CONFLICT, HTTPStatus.GONE),
)
async def confirm(token: Token, request: Request, wired: Wired, bearer: Sender) -> EmailChangeState:
    """Agree to the change; it is made when both ends have."""
    try:
        is_completed = await actions.confirm(wired.database, wired.mailing, token, bearer, wired.clock())
    except Problem as problem:
        if not wants_page(request):
            raise
        return html(page(problem.title, problem.detail), problem.status)  # pyright: ignore[reportReturnType]
    detail = "Your address is changed." if is_completed else "Thank you. The other address has to agree too."
    if wants_page(request):
        return html(page("Agreed", detail), 200)  # pyright: ignore[reportReturnType]
    return EmailChangeState(is_completed=is_completed, detail=detail)


@router.post(
    "/email-changes/{token}/refusal",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses={200: PAGE} | refusals(HTTPStatus.GONE),
)
async def refuse(token: Token, request: Request, wired: Wired, bearer: Sender) -> Response:
    """Cancel the change: "this was not me"."""
    try:
        await actions.refuse(wired.database, wired.mailing, token, bearer, wired.clock())
    except Problem as problem:
        if not wants_page(request):
            raise
        return html(_dead(), problem.status)
    text = "If you did not ask for this, somebody else was signed in as you: change your password."
    return html(page("Nothing is changed", text), 200) if wants_page(request) else Response(status_code=204)


def _dead() -> str:
    return page("This link no longer works", "It was used, was cancelled or has expired.")
