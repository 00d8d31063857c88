"""`/me/notifications`: what has reached the user who asks."""

from http import HTTPStatus
from typing import Annotated
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
from orion_notifications.notifications.actions import Shown
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
    listing = f"me/notifications {user_id(claims)} {channel} {unread}"
    shown = await actions.list_messages(
        wired.database,
        user_id(claims),
        channel=None if channel is None else Channel[channel],
        only_unread=unread,
        before=None if cursor is None else UUID(wired.cursors.read(listing, cursor)[0]),
        limit=limit + 1,
    )
    following = wired.cursors.issue(listing, [str(shown[limit - 1].id)]) if len(shown) > limit else None
    if following is not None:
        url = request.url.include_query_params(cursor=following)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return Page(items=[_shape(message) for message in shown[:limit]], next=following)


@router.get("/{notification_id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def read_mine(response: Response, wired: Wired, claims: Claims, notification_id: UUID) -> NotificationShape:
    """One of my messages."""
    shown = await actions.read_message(wired.database, user_id(claims), notification_id)
    response.headers["ETag"] = etag(shown.id, shown.updated_at)
    return _shape(shown)


@router.patch("/{notification_id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def mark_mine(
    response: Response, wired: Wired, claims: Claims, notification_id: UUID, change: NotificationChange
) -> NotificationShape:
    """Mark one of my messages as read or unread. Asks for no If-Match: there is nothing of others to overwrite."""
    shown = await actions.mark_message(
        wired.database, user_id(claims), notification_id, is_read=change.read, now=wired.clock()
    )
    response.headers["ETag"] = etag(shown.id, shown.updated_at)
    return _shape(shown)


def _shape(shown: Shown) -> NotificationShape:
    return NotificationShape(
        id=shown.id,
        type=shown.type,
        category=shown.category.name,
        channel=shown.channel.name,
        priority=shown.priority.name,
        status=shown.status.name,
        locale=shown.locale,
        subject=shown.subject,
        content=shown.content,
        created_at=shown.created_at,
        sent_at=shown.sent_at,
        delivered_at=shown.delivered_at,
        seen_at=shown.seen_at,
        read_at=shown.read_at,
    )
