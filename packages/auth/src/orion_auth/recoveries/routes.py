"""Recovering an account whose second factors are lost, over HTTP."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from orion_auth.bearers import bearer_of
from orion_auth.components import Claims, Sender, Wired
from orion_auth.recoveries import actions, pages
from orion_auth.recoveries.actions import Recovery
from orion_auth.recoveries.rules import CODE_LIFETIME
from orion_auth.recoveries.shapes import (
    NewRecovery,
    RecoveryCode,
    RecoveryCodeSent,
    RecoveryCompleted,
    RecoveryCompletion,
    RecoveryState,
)
from orion_auth.security_events.actions import Circumstances
from orion_core.errors import Problem
from orion_core.http.authentication import user_id
from orion_core.http.openapi import refusals
from orion_core.http.pages import PAGE, html, page_or_problem, wants_page

router = APIRouter(prefix="/auth/v1", tags=["recovery"])

Token = Annotated[str, Path(max_length=200, description="The token in the link of the notice.")]


@router.post(
    "/recoveries",
    status_code=HTTPStatus.ACCEPTED,
    responses=refusals(HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.TOO_MANY_REQUESTS),
)
async def ask_for_recovery(body: NewRecovery, wired: Wired, request: Request) -> RecoveryState:
    """Ask to get in without the second factors, in a sign-in whose first proof was good. The owner is told at once.

    It can be completed after a delay. Asked for again, it answers how far the one is that is under way.
    """
    bearer = bearer_of(request)
    delay = wired.settings.recovery_delay
    return _state(await actions.ask(wired.gate, body.challenge, delay, bearer, wired.clock()))


@router.post(
    "/recoveries/codes",
    status_code=HTTPStatus.ACCEPTED,
    responses=refusals(HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.TOO_MANY_REQUESTS),
)
async def send_recovery_code(
    body: RecoveryCode, wired: Wired, request: Request, response: Response
) -> RecoveryCodeSent:
    """Have the code sent that completes the recovery, once its delay is over; only the last one counts."""
    bearer = bearer_of(request)
    limit = await actions.send_code(wired.gate, body.challenge, body.channel, bearer, wired.clock())
    response.headers.update(limit.headers() if limit else {})
    return RecoveryCodeSent(detail="A code is on its way.", expires_in=int(CODE_LIFETIME.total_seconds()))


@router.post("/recoveries/completions", responses=refusals(HTTPStatus.GONE, HTTPStatus.TOO_MANY_REQUESTS))
async def complete_recovery(body: RecoveryCompletion, wired: Wired, request: Request) -> RecoveryCompleted:
    """Remove all second factors and end all sessions. Then sign in again."""
    bearer = bearer_of(request)
    await actions.complete(wired.gate, body.challenge, body.code, bearer, wired.clock())
    return RecoveryCompleted(detail="Your second factors are removed, and all sessions have ended. Sign in again.")


@router.get("/recoveries/{token}", response_class=HTMLResponse, responses={410: PAGE})
@router.head("/recoveries/{token}", include_in_schema=False)
async def read_recovery(token: Token, wired: Wired) -> HTMLResponse:
    """The page behind the link in the notice: a button. Opening it changes nothing, however often."""
    row = await actions.look_up(wired.database, token, wired.clock())
    return html(pages.question(token, row.ready_at), 200) if row is not None else html(pages.dead(), 410)


@router.post(
    "/recoveries/{token}/refusal",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses={200: PAGE} | page_or_problem(HTTPStatus.GONE),
)
async def refuse_recovery(token: Token, request: Request, wired: Wired, bearer: Sender) -> Response:
    """Refuse the recovery. 204, or a page for a browser; 410 when it is over."""
    try:
        await actions.refuse_by_link(wired.gate, token, bearer, wired.clock())
    except Problem as problem:
        if not wants_page(request):
            raise
        return html(pages.dead(), problem.status)
    return html(pages.refused(), 200) if wants_page(request) else Response(status_code=204)


@router.get("/me/recoveries/current", responses=refusals(HTTPStatus.NOT_FOUND))
async def read_own_recovery(claims: Claims, wired: Wired) -> RecoveryState:
    """The recovery of one's own account that is under way."""
    return _state(await actions.read(wired.gate, user_id(claims), wired.clock()))


@router.delete("/me/recoveries/current", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.NOT_FOUND))
async def refuse_own_recovery(claims: Claims, wired: Wired, bearer: Sender) -> None:
    """Refuse the recovery of one's own account."""
    circumstances = Circumstances.in_session(claims, bearer)
    await actions.refuse(wired.gate, user_id(claims), circumstances, wired.clock())


def _state(recovery: Recovery) -> RecoveryState:
    return RecoveryState(
        requested_at=recovery.requested_at,
        ready_at=recovery.ready_at,
        expires_at=recovery.expires_at,
        email_hint=recovery.hints.get("EMAIL"),
        phone_hint=recovery.hints.get("SMS"),
    )
