"""Where one's account is recovered, over HTTP."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from orion_auth.components import Claims, Components, Sender, Wired
from orion_auth.recovery_contacts import actions
from orion_auth.recovery_contacts.shapes import (
    Channel,
    ContactCodeSent,
    ContactConfirmation,
    RecoveryContactsState,
    RecoveryEmail,
    RecoveryPhone,
)
from orion_auth.security_events.actions import Circumstances
from orion_auth.two_factor.actions import require_shown
from orion_auth.two_factor.rules import CHALLENGE_LIFETIME
from orion_auth.two_factor_methods import RecoveryContacts
from orion_core.http.authentication import user_id
from orion_core.http.openapi import refusals
from orion_core.http.rate_limit import RateLimitState

router = APIRouter(prefix="/auth/v1/me/recovery-contacts", tags=["recovery"])


@router.get("")
async def read_contacts(claims: Claims, wired: Wired) -> RecoveryContactsState:
    """Where one's account is recovered when all its second factors are lost."""
    return _state(await actions.read(wired.database, user_id(claims)), wired)


@router.post("/email", status_code=HTTPStatus.ACCEPTED, responses=refusals(HTTPStatus.TOO_MANY_REQUESTS))
async def ask_for_email(
    body: RecoveryEmail, claims: Claims, wired: Wired, bearer: Sender, response: Response
) -> ContactCodeSent:
    """Have a code sent to another address of one's own; it counts once the code is confirmed. Needs a recent proof."""
    subject, now = user_id(claims), wired.clock()
    await require_shown(wired.database, claims, now)
    state = await actions.ask_email(wired.gate, wired.address_policy, subject, body.email, bearer.ip_address, now)
    return _sent(response, state)


@router.post("/phone", status_code=HTTPStatus.ACCEPTED, responses=refusals(HTTPStatus.TOO_MANY_REQUESTS))
async def ask_for_phone(
    body: RecoveryPhone, claims: Claims, wired: Wired, bearer: Sender, response: Response
) -> ContactCodeSent:
    """Have a code sent to a phone of one's own; it counts once the code is confirmed. Needs a recent proof."""
    subject, now = user_id(claims), wired.clock()
    await require_shown(wired.database, claims, now)
    return _sent(response, await actions.ask_phone(wired.gate, subject, body.phone, bearer.ip_address, now))


@router.post("/confirmations", responses=refusals(HTTPStatus.TOO_MANY_REQUESTS))
async def confirm_contact(
    body: ContactConfirmation, claims: Claims, wired: Wired, bearer: Sender
) -> RecoveryContactsState:
    """Show the code that was sent last. A recovery that is under way ends with it. Needs a recent proof."""
    subject, now = user_id(claims), wired.clock()
    await require_shown(wired.database, claims, now)
    circumstances = Circumstances.in_session(claims, bearer)
    return _state(await actions.confirm(wired.gate, subject, body.channel, body.code, circumstances, now), wired)


@router.delete("/{channel}", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.NOT_FOUND))
async def remove_contact(channel: Channel, claims: Claims, wired: Wired, bearer: Sender) -> None:
    """Recover the account by that contact no more. A recovery that is under way ends with it. Needs a recent proof."""
    subject, now = user_id(claims), wired.clock()
    await require_shown(wired.database, claims, now)
    await actions.remove(wired.gate, subject, channel, Circumstances.in_session(claims, bearer), now)


def _sent(response: Response, state: RateLimitState | None) -> ContactCodeSent:
    response.headers.update(state.headers() if state else {})
    return ContactCodeSent(detail="A code is on its way.", expires_in=int(CHALLENGE_LIFETIME.total_seconds()))


def _state(contacts: RecoveryContacts, wired: Components) -> RecoveryContactsState:
    return RecoveryContactsState(
        email=contacts.email,
        email_verified_at=contacts.email_verified_at,
        phone=contacts.phone,
        phone_verified_at=contacts.phone_verified_at,
        delay_hours=wired.settings.recovery_delay_hours,
    )
