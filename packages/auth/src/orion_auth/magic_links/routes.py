"""Signing in by mail, over HTTP. The secrets stand in bodies, never in paths, which logs keep."""

from http import HTTPStatus

from fastapi import APIRouter, Depends, Request, Response

from orion_auth.answers import SECOND_FACTOR_NEEDED, admitted
from orion_auth.bearers import bearer_of
from orion_auth.components import Wired
from orion_auth.magic_links import actions
from orion_auth.magic_links.rules import LIFETIME
from orion_auth.magic_links.shapes import CodeSignIn, LinkSignIn, SignInMailAccepted, SignInMailRequest
from orion_auth.sessions.shapes import SessionGranted
from orion_core.errors import Problem
from orion_core.http.openapi import refusals


def _require_open(wired: Wired) -> None:
    if not wired.settings.sign_in_mails:
        detail = "Here a mail lets nobody in. Sign in with a password, a passkey or another provider."
        raise Problem(403, "sign_in_mails_off", "No sign-in by mail", detail)


router = APIRouter(
    prefix="/auth/v1",
    tags=["sign-in mails"],
    dependencies=[Depends(_require_open)],
    responses=refusals(HTTPStatus.FORBIDDEN),
)

_ANSWERS = SECOND_FACTOR_NEEDED | refusals(
    HTTPStatus.UNAUTHORIZED, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE
)


@router.post("/sign-in-mails", status_code=HTTPStatus.ACCEPTED, responses=refusals(HTTPStatus.TOO_MANY_REQUESTS))
async def ask(body: SignInMailRequest, wired: Wired, request: Request, response: Response) -> SignInMailAccepted:
    """Ask for a mail to sign in with. The answer does not tell whether somebody has the address."""
    asked = await actions.ask(
        wired.database, wired.mailing, wired.settings.sign_in_url, body.email, bearer_of(request, body), wired.clock()
    )
    response.headers.update(asked.limit.headers() if asked.limit else {})
    return SignInMailAccepted(
        sign_in=asked.handle,
        expires_in=int(LIFETIME.total_seconds()),
        detail="If somebody has this address, a mail is on its way.",
    )


@router.post("/email-code-sessions", status_code=HTTPStatus.CREATED, response_model=SessionGranted, responses=_ANSWERS)
async def sign_in_by_code(body: CodeSignIn, wired: Wired, request: Request) -> Response:
    """Sign in with the code of a mail, where the mail was asked for."""
    now = wired.clock()
    bearer = bearer_of(request, body)
    outcome = await actions.sign_in_by_code(
        wired.gate, wired.mailing, body.sign_in, body.code, bearer, now, remember=body.remember
    )
    return admitted(outcome, now)


@router.post("/magic-link-sessions", status_code=HTTPStatus.CREATED, response_model=SessionGranted, responses=_ANSWERS)
async def sign_in_by_link(body: LinkSignIn, wired: Wired, request: Request) -> Response:
    """Sign in with the token in the link of a mail; the application's page sends it when a button is pressed."""
    now = wired.clock()
    bearer = bearer_of(request, body)
    outcome = await actions.sign_in_by_link(wired.gate, body.token, bearer, now, remember=body.remember)
    return admitted(outcome, now)
