"""`/throttles`: how many messages of a type one user gets in a window of time."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter

from orion_core.errors import not_found
from orion_core.http.openapi import refusals
from orion_notifications.components import Claims, Wired
from orion_notifications.throttles import actions
from orion_notifications.throttles.shapes import ThrottleChange, ThrottleShape, ThrottlesShape

router = APIRouter(prefix="/throttles", tags=["throttles"])


@router.get("")
async def list_all(wired: Wired, claims: Claims) -> ThrottlesShape:
    """All throttles."""
    await wired.require(claims, "notification_rule:read")
    found = await actions.list_all(wired.database)
    return ThrottlesShape(items=[ThrottleShape.model_validate(dict(row)) for row in found])


@router.put("")
async def set_one(wired: Wired, claims: Claims, wanted: ThrottleChange) -> ThrottleShape:
    """Set the throttle of a type and channel, in place of the one that it has."""
    await wired.require(claims, "notification_rule:update")
    return ThrottleShape.model_validate(dict(await actions.set_one(wired.database, wanted, wired.clock())))


@router.delete("/{throttle_id}", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.NOT_FOUND))
async def remove(wired: Wired, claims: Claims, throttle_id: UUID) -> None:
    """Let as many through as come."""
    await wired.require(claims, "notification_rule:update")
    if not await actions.remove(wired.database, throttle_id, wired.clock()):
        raise not_found("throttle")
