"""Second factors, over HTTP: one's own, and those of a user who has lost his."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Response

from orion_auth.addresses import normalise_phone
from orion_auth.components import Claims, Rescuer, Sender, Wired
from orion_auth.security_events.actions import Circumstances
from orion_auth.tokens.actions import Bearer
from orion_auth.two_factor import enrolment, management
from orion_auth.two_factor.actions import require_shown
from orion_auth.two_factor.management import State
from orion_auth.two_factor.shapes import (
    BackupCodes,
    CodeOnItsWay,
    Confirmation,
    Phone,
    PrimaryMethod,
    Requirement,
    SmsCodeOnItsWay,
    TotpSetUp,
    TwoFactorState,
    VerifiedMethod,
)
from orion_auth.two_factor_methods import TwoFactorMethod
from orion_contracts.claims import AccessClaims
from orion_core.errors import Problem, invalid_field
from orion_core.http.authentication import user_id as own_id
from orion_core.http.openapi import refusals

SMS_WARNING = (
    "Codes by SMS are weaker than an authenticator app or a passkey: whoever gets your number moved to another card, "
    "or sees your locked screen, reads them. Set up one of those instead, or as well."
)

router = APIRouter(prefix="/auth/v1", tags=["second factor"])


@router.get("/me/two-factor")
async def read_two_factor(claims: Claims, wired: Wired) -> TwoFactorState:
    """One's own second factors."""
    return _state(await management.read(wired.gate, own_id(claims)))


@router.post("/me/two-factor/totp", status_code=HTTPStatus.CREATED)
async def begin_totp(claims: Claims, wired: Wired) -> TotpSetUp:
    """Get a secret for an authenticator app; it counts once a code of it is confirmed. Needs a recent proof."""
    now = wired.clock()
    await require_shown(wired.database, claims, now)
    offer = await enrolment.begin_totp(wired.gate, own_id(claims), now)
    return TotpSetUp(secret=offer.secret, uri=offer.uri, qr_svg=offer.qr_svg)


@router.post("/me/two-factor/sms", status_code=HTTPStatus.ACCEPTED, responses=refusals(HTTPStatus.TOO_MANY_REQUESTS))
async def begin_sms(body: Phone, claims: Claims, wired: Wired, bearer: Sender, response: Response) -> SmsCodeOnItsWay:
    """Have a code sent to a phone; it counts once the code is confirmed. Needs a recent proof."""
    now = wired.clock()
    await require_shown(wired.database, claims, now)
    phone = normalise_phone(body.phone)
    if phone is None:
        raise _invalid_phone()
    state = await enrolment.begin_sent(wired.gate, own_id(claims), phone, now, bearer.ip_address)
    response.headers.update(state.headers() if state else {})
    return SmsCodeOnItsWay(detail="A code is on its way.", warning=SMS_WARNING)


@router.post("/me/two-factor/email", status_code=HTTPStatus.ACCEPTED, responses=refusals(HTTPStatus.TOO_MANY_REQUESTS))
async def begin_email(claims: Claims, wired: Wired, bearer: Sender, response: Response) -> CodeOnItsWay:
    """Have a code sent to the address of the account; it counts once the code is confirmed. Needs a recent proof."""
    now = wired.clock()
    await require_shown(wired.database, claims, now)
    state = await enrolment.begin_sent(wired.gate, own_id(claims), None, now, bearer.ip_address)
    response.headers.update(state.headers() if state else {})
    return CodeOnItsWay(detail="A code is on its way.")


@router.post("/me/two-factor/confirmations", responses=refusals(HTTPStatus.TOO_MANY_REQUESTS))
async def confirm_method(body: Confirmation, claims: Claims, wired: Wired, bearer: Sender) -> TwoFactorState:
    """Show the code of the method whose set-up was begun last; from now on it is a second factor."""
    now = wired.clock()
    await require_shown(wired.database, claims, now)
    method = TwoFactorMethod(body.method)
    circumstances = _circumstances(claims, bearer, method)
    await enrolment.confirm(wired.gate, own_id(claims), method, body.code, circumstances, now)
    return _state(await management.read(wired.gate, own_id(claims)))


@router.put("/me/two-factor/primary", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.CONFLICT))
async def set_primary(body: PrimaryMethod, claims: Claims, wired: Wired) -> None:
    """Choose which method is asked for first. Needs a recent proof."""
    now = wired.clock()
    await require_shown(wired.database, claims, now)
    await management.set_primary(wired.gate, own_id(claims), TwoFactorMethod(body.method), now)


@router.post("/me/two-factor/backup-codes", status_code=HTTPStatus.CREATED, responses=refusals(HTTPStatus.CONFLICT))
async def make_backup_codes(claims: Claims, wired: Wired, bearer: Sender) -> BackupCodes:
    """Get ten new backup codes, shown this once; those of before are worthless. Needs a recent proof."""
    now = wired.clock()
    await require_shown(wired.database, claims, now)
    circumstances = _circumstances(claims, bearer, TwoFactorMethod.BACKUP_CODE)
    return BackupCodes(codes=list(await management.make_backup_codes(wired.gate, own_id(claims), circumstances, now)))


@router.delete(
    "/me/two-factor/methods/{method}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def remove_method(method: TwoFactorMethod, claims: Claims, wired: Wired, bearer: Sender) -> None:
    """Remove a method; without the last one the second factor is off. Needs a recent proof."""
    now = wired.clock()
    await require_shown(wired.database, claims, now)
    circumstances = _circumstances(claims, bearer, method)
    await management.remove(wired.gate, own_id(claims), method, circumstances, now)


@router.put(
    "/users/{user_id}/two-factor/requirement",
    status_code=HTTPStatus.NO_CONTENT,
    responses=refusals(HTTPStatus.NOT_FOUND),
)
async def require_of_user(user_id: UUID, body: Requirement, administrator: Rescuer, wired: Wired) -> None:
    """Require a second factor of one user, such as one with a powerful role; for administrators."""
    await wired.guard.require_as_much(administrator, user_id)
    await management.require(wired.gate, user_id, body.is_required, wired.clock())


@router.delete(
    "/users/{user_id}/two-factor", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.NOT_FOUND)
)
async def reset_user(user_id: UUID, administrator: Rescuer, wired: Wired) -> None:
    """Remove all second factors of a user who has lost them, end his sessions, and tell him; for administrators."""
    await wired.guard.require_as_much(administrator, user_id)
    await management.reset(wired.gate, user_id, administrator.sub, wired.clock())


def _circumstances(claims: AccessClaims, bearer: Bearer, method: TwoFactorMethod) -> Circumstances:
    return Circumstances.in_session(claims, bearer, details={"method": method.value})


def _state(state: State) -> TwoFactorState:
    present = state.enrolled
    verified = sorted(state.verified_at.items(), key=lambda entry: entry[1])
    return TwoFactorState(
        is_enabled=present.is_enabled,
        is_required=state.is_required,
        primary_method=present.primary.value if present.primary else None,
        methods=[VerifiedMethod(method=method.value, verified_at=moment) for method, moment in verified],
        phone=state.phone,
        backup_codes_left=present.backup_codes,
        backup_codes_made_at=state.backup_codes_made_at,
    )


def _invalid_phone() -> Problem:
    detail = "This is no phone number that can get messages; write it as +47 912 34 567, with its country."
    return invalid_field("/phone", "invalid_phone", detail)
