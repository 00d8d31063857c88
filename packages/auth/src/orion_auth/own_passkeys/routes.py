"""A user's passkeys, over HTTP."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Request, Response

from orion_auth.bearers import bearer_of
from orion_auth.components import Claims, Party, Wired
from orion_auth.own_passkeys import actions
from orion_auth.own_passkeys.actions import Owner
from orion_auth.passkeys.rules import Kind
from orion_auth.passkeys.shapes import (
    CreationOptions,
    NewPasskey,
    NewPasskeyKind,
    PasskeyChanges,
    PasskeyList,
    PasskeyShape,
)
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.two_factor.actions import require_shown
from orion_contracts.claims import AccessClaims
from orion_core.http.authentication import user_id
from orion_core.http.openapi import refusals

router = APIRouter(prefix="/auth/v1/me/passkeys", tags=["passkeys"])


def _owner(claims: AccessClaims, request: Request, wired: Wired) -> Owner:
    return Owner(user_id(claims), UUID(claims.sid), wired.gate.locate(bearer_of(request)), wired.clock())


@router.get("")
async def list_passkeys(wired: Wired, claims: Claims, party: Party) -> PasskeyList:
    """Your passkeys and hardware keys, the oldest first."""
    return await actions.list_passkeys(wired.gate, party, user_id(claims))


@router.post(
    "/options", status_code=HTTPStatus.CREATED, responses=refusals(HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)
)
async def begin_passkey(
    body: NewPasskeyKind, request: Request, response: Response, wired: Wired, claims: Claims, party: Party
) -> CreationOptions:
    """Get what `PublicKeyCredential.parseCreationOptionsFromJSON` reads, good for five minutes and one answer.

    Needs a recent proof of who you are (401 `reauthentication_required`), and the second factor where you have one (401
    `second_factor_needed`): whoever adds a passkey comes in by it alone.
    """
    owner = _owner(claims, request, wired)
    await require_shown(wired.database, claims, owner.now)
    limit = await rate_limits.take_passkey(wired.database, owner.bearer.ip_address, owner.now)
    response.headers.update(limit.headers() if limit else {})
    return await actions.begin(wired.gate, party, owner, Kind(body.kind))


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses=refusals(HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.TOO_MANY_REQUESTS),
)
async def add_passkey(body: NewPasskey, request: Request, wired: Wired, claims: Claims, party: Party) -> PasskeyShape:
    """Add the passkey that was made: from now on it signs you in, or is asked for as your second factor.

    Needs what getting the options needed.
    """
    owner = _owner(claims, request, wired)
    await require_shown(wired.database, claims, owner.now)
    await rate_limits.take_passkey(wired.database, owner.bearer.ip_address, owner.now)
    return await actions.finish(wired.gate, party, owner, body.credential, body.name)


@router.patch("/{id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def rename_passkey(
    id: UUID, changes: PasskeyChanges, request: Request, wired: Wired, claims: Claims
) -> PasskeyShape:
    """Give a passkey a name of your own."""
    return await actions.rename(wired.gate, _owner(claims, request, wired), id, changes.name)


@router.delete(
    "/{id}", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
)
async def remove_passkey(id: UUID, request: Request, wired: Wired, claims: Claims) -> None:
    """Remove a passkey, unless it is the last way in. Needs what adding one needs."""
    owner = _owner(claims, request, wired)
    await require_shown(wired.database, claims, owner.now)
    await actions.remove(wired.gate, owner, id, mails_let_in=wired.settings.sign_in_mails)
