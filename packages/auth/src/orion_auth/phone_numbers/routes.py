"""The phone number of one's account, over HTTP."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from orion_auth.components import Claims, Sender, Wired
from orion_auth.phone_numbers import actions
from orion_auth.phone_numbers.shapes import PhoneChangeAccepted, PhoneChangeRequest, PhoneConfirmation, PhoneState
from orion_auth.security_events.actions import Circumstances
from orion_auth.two_factor.actions import require_shown
from orion_auth.two_factor.rules import CHALLENGE_LIFETIME
from orion_core.http.authentication import user_id
from orion_core.http.openapi import refusals

router = APIRouter(prefix="/auth/v1/me", tags=["phone number"])


@router.get("/phone")
async def read_phone(claims: Claims, wired: Wired) -> PhoneState:
    """The phone number of one's account."""
    phone = await actions.read(wired.database, user_id(claims))
    return PhoneState(phone=phone.number if phone else None, verified_at=phone.verified_at if phone else None)


@router.post("/phone-changes", status_code=HTTPStatus.ACCEPTED, responses=refusals(HTTPStatus.TOO_MANY_REQUESTS))
async def ask_for_phone(
    body: PhoneChangeRequest, claims: Claims, wired: Wired, bearer: Sender, response: Response
) -> PhoneChangeAccepted:
    """Have a code sent to the number that is to be one's account's. Needs a recent proof.

    The answer does not tell whether somebody else has the number; then no code is sent.
    """
    subject, now = user_id(claims), wired.clock()
    await require_shown(wired.database, claims, now)
    state = await actions.ask(wired.gate, subject, body.phone, Circumstances.in_session(claims, bearer), now)
    response.headers.update(state.headers() if state else {})
    return PhoneChangeAccepted(
        detail="If the number can be yours, a code is on its way.", expires_in=int(CHALLENGE_LIFETIME.total_seconds())
    )


@router.post(
    "/phone-changes/confirmations",
    responses=refusals(HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS),
)
async def confirm_phone(body: PhoneConfirmation, claims: Claims, wired: Wired, bearer: Sender) -> PhoneState:
    """Show the code that was sent last: from now on its number is the account's. Needs a recent proof."""
    subject, now = user_id(claims), wired.clock()
    await require_shown(wired.database, claims, now)
    phone = await actions.confirm(wired.gate, subject, body.code, Circumstances.in_session(claims, bearer), now)
    return PhoneState(phone=phone.number, verified_at=phone.verified_at)


@router.delete("/phone", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.NOT_FOUND))
async def remove_phone(claims: Claims, wired: Wired, bearer: Sender) -> None:
    """Take the number off one's account. Needs a recent proof."""
    subject, now = user_id(claims), wired.clock()
    await require_shown(wired.database, claims, now)
    await actions.remove(wired.gate, subject, Circumstances.in_session(claims, bearer), now)
