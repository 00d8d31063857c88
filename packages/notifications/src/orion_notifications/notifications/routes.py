"""`/notifications`: sending, and what became of what was sent. For administrators and programs."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from starlette.requests import Request

from orion_core.http.openapi import refusals
from orion_core.http.shapes import Moment
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Page, link_next
from orion_notifications.components import Claims, Wired
from orion_notifications.kinds import Channel
from orion_notifications.notifications import sending
from orion_notifications.notifications.rules import NotificationStatus
from orion_notifications.notifications.sending import Search
from orion_notifications.notifications.shapes import (
    Bulk,
    BulkShape,
    ChannelLabel,
    ExplanationShape,
    Message,
    RecordShape,
    Schedule,
    SendingShape,
    SimulationShape,
    StatusLabel,
)

READ, SEND, UPDATE = "notification:read", "notification:send", "notification:update"
GONE_OR_LATE = refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)

router = APIRouter(prefix="/notifications", tags=["notifications"])


@router.post("", status_code=HTTPStatus.ACCEPTED)
async def send(wired: Wired, claims: Claims, message: Message) -> SendingShape:
    """Send a message. What its recipient does not want, or what must not be written to, is recorded as REJECTED."""
    await wired.require(claims, SEND)
    return await sending.send(wired.database, wired.desk, message, claims.sub, wired.clock())


@router.post("/bulk", status_code=HTTPStatus.ACCEPTED)
async def send_many(wired: Wired, claims: Claims, bulk: Bulk) -> BulkShape:
    """Send several messages. Each is taken or refused by itself, and the answer says which."""
    await wired.require(claims, SEND)
    return await sending.send_many(wired.database, wired.desk, bulk.messages, claims.sub, wired.clock())


@router.post("/simulate")
async def simulate(wired: Wired, claims: Claims, message: Message) -> SimulationShape:
    """What would become of a message, and why. Nothing is sent, and nothing stays."""
    await wired.require(claims, READ)
    return await sending.simulate(wired.database, wired.desk, message, claims.sub, wired.clock())


@router.get("")
async def search(
    request: Request,
    response: Response,
    wired: Wired,
    claims: Claims,
    user_id: UUID | None = None,
    status: StatusLabel | None = None,
    channel: ChannelLabel | None = None,
    type: Annotated[str | None, Query(max_length=100)] = None,
    tag: Annotated[str | None, Query(max_length=50)] = None,
    batch_id: UUID | None = None,
    recipient: Annotated[str | None, Query(max_length=2048)] = None,
    since: Annotated[Moment | None, Query(description="Taken at this moment or later.")] = None,
    until: Annotated[Moment | None, Query(description="Taken before this moment.")] = None,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> Page[RecordShape]:
    """Messages, newest first. A further page is asked for with `cursor` and the same filters, for as long as there is a
    `next`: a page may hold fewer than `limit`, even none, where 20,000 messages have been looked through for it.
    """
    await wired.require(claims, READ)
    asked: dict[str, Any] = {
        "user_id": user_id,
        "status": status and NotificationStatus[status],
        "channel": channel and Channel[channel],
        "type": type,
        "tag": tag,
        "batch_id": batch_id,
        "recipient": recipient,
        "since": since,
        "until": until,
    }
    filters = {name: value for name, value in asked.items() if value is not None}
    found, following = await sending.search(wired.database, wired.cursors, Search(filters, cursor, limit))
    link_next(request, response, following)
    return Page(items=[_shown(row) for row in found], next=following)


@router.get("/{notification_id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def read(wired: Wired, claims: Claims, notification_id: UUID) -> RecordShape:
    """One message, whoever's it is."""
    await wired.require(claims, READ)
    return _shown(await sending.read(wired.database, notification_id))


@router.get("/{notification_id}/explain", responses=refusals(HTTPStatus.NOT_FOUND))
async def explain(wired: Wired, claims: Claims, notification_id: UUID) -> ExplanationShape:
    """Why a message went out, waits or did not go: what was decided when, as it was decided then."""
    await wired.require(claims, READ)
    return await sending.explain(wired.database, notification_id)


@router.post("/{notification_id}/cancellation", responses=GONE_OR_LATE)
async def cancel(wired: Wired, claims: Claims, notification_id: UUID) -> RecordShape:
    """Take a message back that has not left."""
    await wired.require(claims, UPDATE)
    return _shown(await sending.cancel(wired.database, notification_id, wired.clock()))


@router.put("/{notification_id}/schedule", responses=GONE_OR_LATE)
async def put_off(wired: Wired, claims: Claims, notification_id: UUID, schedule: Schedule) -> RecordShape:
    """Have a message that has not left sent at another time."""
    await wired.require(claims, UPDATE)
    at = schedule.scheduled_at
    return _shown(await sending.put_off(wired.database, wired.desk, notification_id, at, wired.clock()))


@router.post("/{notification_id}/retry", status_code=HTTPStatus.ACCEPTED, responses=GONE_OR_LATE)
async def retry(wired: Wired, claims: Claims, notification_id: UUID) -> RecordShape:
    """Send a message again that was given up; the answer is the new one."""
    await wired.require(claims, UPDATE)
    return _shown(await sending.retry(wired.database, wired.desk, notification_id, wired.clock()))


def _shown(row: Mapping[Any, Any]) -> RecordShape:
    return RecordShape.model_validate(dict(row))
