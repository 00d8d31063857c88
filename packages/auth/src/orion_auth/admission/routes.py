"""Letting somebody in, over HTTP: a good proof creates a session."""

from datetime import timedelta
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from orion_auth.admission import by_password, by_second_factor
from orion_auth.admission.by_second_factor import Answer
from orion_auth.admission.shapes import ChallengeAnswer, ChallengeCode, ChallengeEnrolment, CodeSent, SignIn
from orion_auth.answers import SECOND_FACTOR_NEEDED, admitted
from orion_auth.bearers import bearer_of
from orion_auth.components import Components, Wired, read_proof
from orion_auth.sessions.shapes import SessionGranted
from orion_auth.two_factor.shapes import TotpSetUp
from orion_auth.two_factor_methods import TwoFactorMethod
from orion_core.http.openapi import refusals
from orion_core.http.shortcut import Shortcut, is_plain_json, parse_json, validate

router = APIRouter(prefix="/auth/v1", tags=["sessions"])


@router.post(
    "/sessions",
    status_code=HTTPStatus.CREATED,
    response_model=SessionGranted,
    responses=SECOND_FACTOR_NEEDED
    | refusals(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
async def sign_in(body: SignIn, wired: Wired, request: Request) -> Response:
    """Sign in with a password."""
    now = wired.clock()
    bearer = bearer_of(request, body)
    outcome = await by_password.sign_in(
        wired.gate,
        wired.visitors,
        wired.lane,
        wired.password_policy,
        email_text=body.email,
        password=body.password,
        bearer=bearer,
        now=now,
        remember=body.remember,
    )
    return admitted(outcome, now)


def shortcut() -> Shortcut:
    """`POST /auth/v1/sessions` past FastAPI: in a flood that would cost more than most attempts do."""

    async def answer(request: Request) -> Response:
        wired: Components = request.app.state.components
        sent = await request.body()
        said = parse_json(sent)
        await read_proof(request, wired)
        return await sign_in(validate(SignIn, said, sent), wired, request)

    return Shortcut("POST", f"{router.prefix}/sessions", answer, is_plain_json)


@router.post(
    "/challenges/answers",
    status_code=HTTPStatus.CREATED,
    response_model=SessionGranted,
    responses=refusals(HTTPStatus.GONE, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def answer_challenge(body: ChallengeAnswer, wired: Wired, request: Request) -> Response:
    """Finish a sign-in by its second factor."""
    now = wired.clock()
    trust = timedelta(days=wired.settings.device_trust_days) if body.trust_device else None
    answer = Answer(body.challenge, TwoFactorMethod(body.method), body.code, trust)
    bearer = bearer_of(request)
    return admitted(await by_second_factor.finish_sign_in(wired.gate, answer, bearer, now), now)


@router.post(
    "/challenges/codes",
    status_code=HTTPStatus.ACCEPTED,
    responses=refusals(HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.TOO_MANY_REQUESTS),
)
async def send_challenge_code(body: ChallengeCode, wired: Wired, request: Request, response: Response) -> CodeSent:
    """Have a code sent for a half-finished sign-in; only the last one counts."""
    bearer = bearer_of(request)
    method = TwoFactorMethod(body.method)
    limit = await by_second_factor.send_code(wired.gate, body.challenge, method, bearer, wired.clock())
    response.headers.update(limit.headers() if limit else {})
    return CodeSent(detail="A code is on its way.")


@router.post(
    "/challenges/enrolments",
    status_code=HTTPStatus.CREATED,
    responses=refusals(HTTPStatus.CONFLICT, HTTPStatus.GONE),
)
async def enrol_for_challenge(body: ChallengeEnrolment, wired: Wired) -> TotpSetUp:
    """Get a secret for an authenticator app, when a sign-in waits for a second factor to be set up.

    Its first code, sent to `/challenges/answers`, begins the session.
    """
    offer = await by_second_factor.begin_enrolment(wired.gate, body.challenge, wired.clock())
    return TotpSetUp(secret=offer.secret, uri=offer.uri, qr_svg=offer.qr_svg)
