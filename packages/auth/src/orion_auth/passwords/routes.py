"""Changing and resetting passwords, over HTTP."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from orion_auth.bearers import bearer_of
from orion_auth.components import Claims, Components, Sender, Wired
from orion_auth.pages import PASSWORD_FORM, posted
from orion_auth.passwords import changing, pages, resetting
from orion_auth.passwords.changing import Change
from orion_auth.passwords.shapes import NewPasswordChosen, PasswordChange, ResetAccepted, ResetRequest
from orion_auth.tokens.actions import Bearer
from orion_auth.two_factor.actions import require_shown
from orion_core.errors import Problem
from orion_core.faults import code_and_sentence
from orion_core.http.authentication import user_id
from orion_core.http.openapi import refusals
from orion_core.http.pages import PAGE, html, page_or_problem

router = APIRouter(prefix="/auth/v1", tags=["passwords"])

Token = Annotated[str, Path(max_length=200, description="The token in the link of the mail.")]


@router.put(
    "/me/password",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=refusals(HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def change(body: PasswordChange, claims: Claims, wired: Wired, bearer: Sender) -> Response:
    """Change the password. Needs a recent proof and the current password; every other session ends."""
    now, subject = wired.clock(), user_id(claims)
    await require_shown(wired.database, claims, now)
    state = await changing.change(
        wired.database,
        wired.outbox,
        wired.lane,
        wired.password_policy,
        user_id=subject,
        session_id=UUID(claims.sid),
        change=Change(body.current_password, body.new_password),
        bearer=bearer,
        now=now,
    )
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=state.headers() if state else {})


@router.post("/password-resets", status_code=HTTPStatus.ACCEPTED, responses=refusals(HTTPStatus.TOO_MANY_REQUESTS))
async def ask(body: ResetRequest, wired: Wired, request: Request, response: Response) -> ResetAccepted:
    """Ask for a mail to set a new password with. The answer does not tell whether somebody has the address."""
    bearer = wired.gate.locate(bearer_of(request, body))
    state = await resetting.ask(wired.database, wired.mailing, body.email, bearer, wired.clock())
    response.headers.update(state.headers() if state else {})
    return ResetAccepted(detail="If somebody has this address, a mail is on its way.")


@router.get("/password-resets/{token}", response_class=HTMLResponse, responses={410: PAGE})
@router.head("/password-resets/{token}", include_in_schema=False)
async def read_reset(token: Token, wired: Wired) -> HTMLResponse:
    """The page behind the link: a form. Opening it uses nothing up, however often."""
    if await resetting.find_open(wired.database, token, wired.clock()) is None:
        return html(pages.dead(), HTTPStatus.GONE)
    return html(pages.question(token), HTTPStatus.OK)


@router.post(
    "/password-resets/{token}",
    response_class=HTMLResponse,
    responses={
        **page_or_problem(HTTPStatus.BAD_REQUEST),
        410: PAGE,
        **page_or_problem(HTTPStatus.SERVICE_UNAVAILABLE),
    },
    openapi_extra=PASSWORD_FORM,
)
async def submit_form(token: Token, request: Request, wired: Wired, bearer: Sender) -> HTMLResponse:
    """Set the password that was typed into the page."""
    try:
        chosen = NewPasswordChosen(password=posted(await request.body(), "password"))
        await _reset(token, chosen, wired, bearer)
    except ValidationError as error:
        return html(pages.question(token, code_and_sentence(error.errors()[0])[1]), HTTPStatus.BAD_REQUEST)
    except Problem as problem:
        return _told(token, problem)
    return html(pages.done(), HTTPStatus.OK)


@router.put(
    "/password-resets/{token}/password",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=refusals(HTTPStatus.GONE, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def reset(token: Token, body: NewPasswordChosen, wired: Wired, bearer: Sender) -> None:
    """Set the password with the token of the mail, for an application with a page of its own. Signs nobody in."""
    await _reset(token, body, wired, bearer)


async def _reset(token: str, chosen: NewPasswordChosen, wired: Components, bearer: Bearer) -> None:
    await resetting.reset(
        wired.database,
        wired.mailing,
        wired.lane,
        wired.password_policy,
        token=token,
        password=chosen.password,
        bearer=bearer,
        now=wired.clock(),
    )


def _told(token: str, problem: Problem) -> HTMLResponse:
    match problem.status:
        case 410:
            return html(pages.dead(), 410)
        case 422:
            return html(pages.question(token, " ".join(error.detail for error in problem.errors)), 400)
        case 503:
            return html(pages.later(), 503)
        case _:
            raise problem
