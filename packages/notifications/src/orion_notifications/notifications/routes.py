"""`/me/notifications`: what has reached the user who asks."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from starlette.requests import Request

from orion_core.http.authentication import user_id
from orion_core.http.etags import etag
from orion_core.http.openapi import refusals
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Page
from orion_notifications.components import Claims, Wired
from orion_notifications.kinds import Channel
from orion_notifications.notifications import actions
from orion_notifications.notifications.actions import Listing
from orion_notifications.notifications.shapes import ChannelLabel, NotificationChange, NotificationShape

router = APIRouter(prefix="/me/notifications", tags=["my notifications"])


@router.get("")
async def list_mine(
    request: Request,
    response: Response,
    wired: Wired,
    claims: Claims,
    channel: Annotated[ChannelLabel | None, Query(description="Only messages of this channel.")] = None,
    unread: Annotated[bool, Query(description="Only in-app messages that have not been read.")] = False,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> Page[NotificationShape]:
    """My messages, newest first. A further page is asked for with `cursor` and the same filters."""
    listing = Listing(user_id(claims), None if channel is None else Channel[channel], unread, cursor, limit)
    messages, following = await actions.list_messages(wired.database, wired.cursors, listing)
    if following is not None:
        url = request.url.include_query_params(cursor=following)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return Page(items=[NotificationShape.model_validate(dict(message)) for message in messages], next=following)


@router.get("/{notification_id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def read_mine(response: Response, wired: Wired, claims: Claims, notification_id: UUID) -> NotificationShape:
    """One of my messages."""
    return _shown(response, await actions.read_message(wired.database, user_id(claims), notification_id))


@router.patch("/{notification_id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def mark_mine(
    response: Response, wired: Wired, claims: Claims, notification_id: UUID, change: NotificationChange
) -> NotificationShape:
    """Mark one of my messages as read or unread. Asks for no If-Match: there is nothing of others to overwrite."""
    message = await actions.mark_message(
        wired.database, user_id(claims), notification_id, is_read=change.read, now=wired.clock()
    )
    return _shown(response, message)


def _shown(response: Response, message: Mapping[Any, Any]) -> NotificationShape:
    shown = NotificationShape.model_validate(dict(message))
    response.headers["ETag"] = etag(shown)
    return shown
