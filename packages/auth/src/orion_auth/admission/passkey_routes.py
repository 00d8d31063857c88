"""Letting somebody in with a passkey, over HTTP: alone, or as a second factor."""

from datetime import timedelta
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from orion_auth.admission import by_passkey
from orion_auth.admission.shapes import (
    ChallengeKey,
    ChallengeKeyAnswer,
    ChallengePasskey,
    ChallengePasskeyKind,
    PasskeySignIn,
)
from orion_auth.answers import SECOND_FACTOR_NEEDED, admitted
from orion_auth.bearers import bearer_of
from orion_auth.components import Party, Wired
from orion_auth.passkeys.rules import Kind
from orion_auth.passkeys.shapes import CreationOptions, RequestOptions
from orion_auth.sessions.shapes import SessionGranted
from orion_core.http.openapi import refusals

router = APIRouter(
    prefix="/auth/v1",
    tags=["passkeys"],
    responses=refusals(HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
)


@router.post("/passkey-sessions/options", status_code=HTTPStatus.CREATED)
async def ask_for_passkey(request: Request, response: Response, wired: Wired, party: Party) -> RequestOptions:
    """Get what `PublicKeyCredential.parseRequestOptionsFromJSON` reads, good for five minutes and one answer.

    It names nobody: ask as soon as the page with the sign-in form is there, and pass `mediation: "conditional"`.
    """
    offer = await by_passkey.offer(wired.gate, party, bearer_of(request), wired.clock())
    response.headers.update(offer.limit.headers() if offer.limit else {})
    return offer.options


@router.post(
    "/passkey-sessions",
    status_code=HTTPStatus.CREATED,
    response_model=SessionGranted,
    responses=SECOND_FACTOR_NEEDED | refusals(HTTPStatus.UNAUTHORIZED, HTTPStatus.CONFLICT),
)
async def sign_in_by_passkey(body: PasskeySignIn, request: Request, wired: Wired, party: Party) -> Response:
    """Sign in with a passkey that has verified its user; no other factor is asked for."""
    now = wired.clock()
    bearer = bearer_of(request, body)
    outcome = await by_passkey.sign_in(wired.gate, party, body.credential, bearer, now, remember=body.remember)
    return admitted(outcome, now)


@router.post("/challenges/passkey-options", status_code=HTTPStatus.CREATED, responses=refusals(HTTPStatus.GONE))
async def ask_for_key(
    body: ChallengeKey, request: Request, response: Response, wired: Wired, party: Party
) -> RequestOptions:
    """Get what asks for a key as the second factor of a half-finished sign-in (`HARDWARE_KEY` in its `methods`)."""
    offer = await by_passkey.offer_second_factor(wired.gate, party, body.challenge, bearer_of(request), wired.clock())
    response.headers.update(offer.limit.headers() if offer.limit else {})
    return offer.options


@router.post(
    "/challenges/passkey-answers",
    status_code=HTTPStatus.CREATED,
    response_model=SessionGranted,
    responses=refusals(HTTPStatus.GONE),
)
async def answer_by_key(body: ChallengeKeyAnswer, request: Request, wired: Wired, party: Party) -> Response:
    """Finish a sign-in by touching a key."""
    now = wired.clock()
    bearer = bearer_of(request)
    trust = timedelta(days=wired.settings.device_trust_days) if body.trust_device else None
    outcome = await by_passkey.finish_sign_in(
        wired.gate, party, body.challenge, body.credential, bearer, now, trust=trust
    )
    return admitted(outcome, now)


@router.post(
    "/challenges/passkey-enrolments/options",
    status_code=HTTPStatus.CREATED,
    responses=refusals(HTTPStatus.CONFLICT, HTTPStatus.GONE),
)
async def begin_key_for_challenge(
    body: ChallengePasskeyKind, request: Request, wired: Wired, party: Party
) -> CreationOptions:
    """Get what has a key made, when a sign-in waits for a second factor to be set up (`must_enrol`)."""
    kind, bearer = Kind(body.kind), bearer_of(request)
    return await by_passkey.offer_enrolment(wired.gate, party, body.challenge, kind, bearer, wired.clock())


@router.post(
    "/challenges/passkey-enrolments",
    status_code=HTTPStatus.CREATED,
    response_model=SessionGranted,
    responses=refusals(HTTPStatus.CONFLICT, HTTPStatus.GONE),
)
async def enrol_key_for_challenge(body: ChallengePasskey, request: Request, wired: Wired, party: Party) -> Response:
    """Add the key that was made, and finish the sign-in that waited for it."""
    now = wired.clock()
    outcome = await by_passkey.enrol(wired.gate, party, body.challenge, body.credential, bearer_of(request), now)
    return admitted(outcome, now)
