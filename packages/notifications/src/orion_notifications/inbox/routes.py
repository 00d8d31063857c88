"""`/me/notifications` and `/me/inbox`: what has reached the user who asks."""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from starlette.requests import Request
from starlette.responses import StreamingResponse

from orion_core.http.authentication import user_id
from orion_core.http.etags import etag
from orion_core.http.openapi import refusals
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Page, link_next
from orion_notifications.components import Claims, Wired
from orion_notifications.inbox import actions
from orion_notifications.inbox.actions import Listing
from orion_notifications.inbox.shapes import (
    ChannelLabel,
    Counters,
    InboxChange,
    NotificationChange,
    NotificationShape,
)
from orion_notifications.kinds import Channel

router = APIRouter(prefix="/me", tags=["my notifications"])


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


@router.get("/notifications")
async def list_mine(
    request: Request,
    response: Response,
    wired: Wired,
    claims: Claims,
    channel: Annotated[ChannelLabel | None, Query(description="Only messages of this channel.")] = None,
    unread: Annotated[bool, Query(description="Only in-app messages that have not been read.")] = False,
    folder: Annotated[
        Literal["inbox", "unread", "archived", "snoozed"], Query(description="Which part of the messages.")
    ] = "inbox",
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> Page[NotificationShape]:
    """My messages, newest first. A further page is asked for with `cursor` and the same filters."""
    by_channel = None if channel is None else Channel[channel]
    listing = Listing(user_id(claims), "unread" if unread else folder, by_channel, cursor, limit)
    messages, following = await actions.list_messages(wired.database, wired.cursors, listing, wired.clock())
    link_next(request, response, following)
    return Page(items=[NotificationShape.model_validate(dict(message)) for message in messages], next=following)


@router.get("/notifications/{notification_id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def read_mine(response: Response, wired: Wired, claims: Claims, notification_id: UUID) -> NotificationShape:
    """One of my messages."""
    return _shown(response, await actions.read_message(wired.database, user_id(claims), notification_id))


@router.patch("/notifications/{notification_id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def mark_mine(
    response: Response, wired: Wired, claims: Claims, notification_id: UUID, change: NotificationChange
) -> NotificationShape:
    """Mark one of my messages as read, seen, archived or put off. Asks for no If-Match: there is nothing of others to
    overwrite.
    """
    message = await actions.change_message(wired.database, user_id(claims), notification_id, change, wired.clock())
    wired.streams.bell.ring()
    return _shown(response, message)


@router.get("/inbox")
async def my_counters(wired: Wired, claims: Claims) -> Counters:
    """How many of my in-app messages are unread and unseen."""
    return await actions.counters(wired.database, user_id(claims), wired.clock())


@router.patch("/inbox")
async def mark_all(wired: Wired, claims: Claims, change: InboxChange) -> Counters:
    """Mark all my in-app messages as read or seen, up to the newest one that I was shown."""
    counted = await actions.change_all(wired.database, user_id(claims), change, wired.clock())
    wired.streams.bell.ring()
    return counted


@router.get(
    "/inbox/stream",
    response_class=EventStream,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream(
    wired: Wired,
    claims: Claims,
    last_event_id: Annotated[
        str | None, Header(max_length=40, description="`id` of the last event that was received.")
    ] = None,
) -> EventStream:
    """What comes into my inbox, as server-sent events: `notification` and `counters`.

    It ends when the access token does; whoever comes back with `Last-Event-ID` misses nothing, and may be told of a
    message twice.
    """
    ends_at = datetime.fromtimestamp(claims.exp, UTC)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventStream(wired.streams.watch(user_id(claims), last_event_id, claims, ends_at), headers=headers)


def _shown(response: Response, message: Mapping[Any, Any]) -> NotificationShape:
    shown = NotificationShape.model_validate(dict(message))
    response.headers["ETag"] = etag(shown)
    return shown
