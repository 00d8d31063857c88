"""`/channel-pauses`: channels that send nothing for now; for who may `provider:read` and `provider:configure`."""

from http import HTTPStatus

from fastapi import APIRouter

from orion_core.errors import not_found
from orion_core.http.openapi import refusals
from orion_notifications.components import Claims, Wired
from orion_notifications.kinds import Channel
from orion_notifications.labels import ChannelLabel
from orion_notifications.pauses import actions
from orion_notifications.pauses.shapes import PauseChange, PauseShape, PausesShape

router = APIRouter(prefix="/channel-pauses", tags=["providers"])


@router.get("", responses=refusals(HTTPStatus.FORBIDDEN))
async def list_pauses(wired: Wired, claims: Claims) -> PausesShape:
    """All channels that send nothing for now, why, and by whose will."""
    await wired.require(claims, "provider:read")
    found = await actions.list_all(wired.database)
    return PausesShape(items=[PauseShape.model_validate(dict(row)) for row in found])


@router.put("/{channel}", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.FORBIDDEN))
async def pause(wired: Wired, claims: Claims, channel: ChannelLabel, body: PauseChange) -> None:
    """Have a channel send nothing. Messages wait, and leave afterwards; what is in hand is finished."""
    await wired.require(claims, "provider:configure")
    await actions.pause(wired.database, Channel[channel], body.reason, claims.sub, wired.clock())


@router.delete(
    "/{channel}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=refusals(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND),
)
async def resume(wired: Wired, claims: Claims, channel: ChannelLabel) -> None:
    """Have a channel send again."""
    await wired.require(claims, "provider:configure")
    if not await actions.resume(wired.database, wired.desk.queue, Channel[channel], claims.sub, wired.clock()):
        raise not_found("pause of a channel")
