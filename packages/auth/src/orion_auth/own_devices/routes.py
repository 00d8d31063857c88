"""A user's devices, over HTTP."""

from datetime import timedelta
from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Request, Response

from orion_auth.bearers import bearer_of, give_device_secret
from orion_auth.components import Claims, Wired
from orion_auth.devices.shapes import DeviceChanges, DeviceList, DeviceShape, TrustGiven
from orion_auth.own_devices import actions
from orion_auth.own_devices.actions import Owner
from orion_auth.two_factor.actions import require_shown
from orion_contracts.claims import AccessClaims
from orion_core.http.authentication import require_recent, user_id
from orion_core.http.openapi import refusals

router = APIRouter(prefix="/auth/v1/me/devices", tags=["devices"], responses=refusals(HTTPStatus.NOT_FOUND))


def _owner(claims: AccessClaims, request: Request, wired: Wired) -> Owner:
    return Owner(user_id(claims), UUID(claims.sid), wired.gate.locate(bearer_of(request)), wired.clock())


@router.get("")
async def list_devices(wired: Wired, claims: Claims) -> DeviceList:
    """The devices you have signed in from, the one seen last first."""
    return await actions.list_devices(wired.database, user_id(claims), wired.clock())


@router.patch("/{id}")
async def rename_device(
    id: UUID, changes: DeviceChanges, request: Request, wired: Wired, claims: Claims
) -> DeviceShape:
    """Give a device a name of your own."""
    return await actions.rename(wired.database, _owner(claims, request, wired), id, changes.name)


@router.put("/{id}/trust", responses=refusals(HTTPStatus.CONFLICT))
async def trust_device(id: UUID, request: Request, response: Response, wired: Wired, claims: Claims) -> TrustGiven:
    """Spare a device the second factor for a while. Call it from that device: it gets the secret that proves it.

    Needs a recent proof of who you are (401 `reauthentication_required`), and where you have a second factor, a session
    that has shown it (401 `second_factor_needed`).
    """
    owner = _owner(claims, request, wired)
    await require_shown(wired.database, claims, owner.now)
    lifetime = timedelta(days=wired.settings.device_trust_days)
    given = await actions.trust(wired.database, wired.outbox, owner, id, lifetime)
    give_device_secret(response, given.secret, int(lifetime.total_seconds()))
    return TrustGiven(device_secret=given.secret, trusted_until=given.expires_at)


@router.delete("/{id}/trust", status_code=HTTPStatus.NO_CONTENT)
async def end_trust(id: UUID, request: Request, wired: Wired, claims: Claims) -> None:
    """Trust a device no more; its sessions go on."""
    await actions.end_trust(wired.database, wired.outbox, _owner(claims, request, wired), id)


@router.put("/{id}/block", status_code=HTTPStatus.NO_CONTENT)
async def block_device(id: UUID, request: Request, wired: Wired, claims: Claims) -> None:
    """Let nobody in from a device, and end the sessions that were begun on it. Needs a recent proof of who you are."""
    owner = _owner(claims, request, wired)
    require_recent(claims, owner.now)
    await actions.block(wired.database, wired.outbox, owner, id)


@router.delete("/{id}/block", status_code=HTTPStatus.NO_CONTENT)
async def unblock_device(id: UUID, request: Request, wired: Wired, claims: Claims) -> None:
    """Let a blocked device in again, untrusted.

    Needs a recent proof of who you are (401 `reauthentication_required`), and where you have a second factor, a session
    that has shown it (401 `second_factor_needed`).
    """
    owner = _owner(claims, request, wired)
    await require_shown(wired.database, claims, owner.now)
    await actions.unblock(wired.database, wired.outbox, owner, id)


@router.delete("/{id}", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.CONFLICT))
async def remove_device(id: UUID, request: Request, wired: Wired, claims: Claims) -> None:
    """Forget a device and end the sessions that were begun on it. Needs a recent proof of who you are."""
    owner = _owner(claims, request, wired)
    require_recent(claims, owner.now)
    await actions.remove(wired.database, wired.outbox, owner, id)
