"""Links and pictures of mails that tell that they are read, and what they have told."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Path
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from orion_core.errors import Problem, not_found
from orion_core.http.openapi import refusals
from orion_notifications.components import Claims, Components, Wired
from orion_notifications.engagements import actions, links
from orion_notifications.engagements.links import LONGEST_TOKEN, Target
from orion_notifications.engagements.rules import is_ahead
from orion_notifications.engagements.shapes import EngagementShape, EngagementsShape

Token = Annotated[str, Path(max_length=LONGEST_TOKEN, description="From a mail.")]
PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
"""A GIF of one pixel that is not seen."""
HEADERS = {"Cache-Control": "no-store, private", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
ENDED = refusals(HTTPStatus.NOT_FOUND, HTTPStatus.GONE)

UNQUOTED = "%:/?#[]@!$&'()*+,;=~"
"""What has a meaning in URLs (RFC 3986 §2.2), and what is quoted already."""

router = APIRouter()


@router.get(
    "/clicks/{token}",
    tags=["links"],
    status_code=HTTPStatus.FOUND,
    response_class=Response,
    responses=ENDED,
)
@router.head("/clicks/{token}", include_in_schema=False)
async def follow(request: Request, wired: Wired, token: Token) -> Response:
    """Where a link of a mail leads. It needs no database: the token carries the address, sealed."""
    target = _target(wired, token)
    if not target.url:
        raise not_found("link")
    # A line break in it would begin a header, and what is beyond Latin-1 could not be one.
    headers = {**HEADERS, "Location": quote(target.url, safe=UNQUOTED)}
    return Response(status_code=HTTPStatus.FOUND, headers=headers, background=_recording(request, wired, target))


@router.get("/opens/{token}.gif", tags=["links"], response_class=Response, responses=ENDED)
@router.head("/opens/{token}.gif", include_in_schema=False)
async def picture(request: Request, wired: Wired, token: Token) -> Response:
    """A picture of one pixel."""
    target = _target(wired, token)
    if target.url:
        raise not_found("picture")
    return Response(PIXEL, media_type="image/gif", headers=HEADERS, background=_recording(request, wired, target))


@router.get("/notifications/{notification_id}/engagements", tags=["notifications"])
async def read(wired: Wired, claims: Claims, notification_id: UUID) -> EngagementsShape:
    """What is known of whether a mail was read: nothing, unless its template asks for it and its reader allows it."""
    await wired.require(claims, "notification:read")
    found = await actions.of_message(wired.database, notification_id)
    return EngagementsShape(items=[EngagementShape.model_validate(dict(row)) for row in found])


def _target(wired: Components, token: str) -> Target:
    target = links.read(wired.desk.keyring, token)
    if target is None:
        raise not_found("link")
    if target.is_over(wired.clock(), wired.links_since):
        detail = "It stood in an old mail, and leads nowhere any more. Look for it in a newer one, or where it led."
        raise Problem(410, "link_ended", "This link has ended", detail)
    return target


def _recording(request: Request, wired: Components, target: Target) -> BackgroundTask:
    """What is done once the answer has been given."""
    said = request.headers.get("user-agent", "")
    how = {"is_head": request.method == "HEAD", "is_ahead": is_ahead(request.headers)}
    return BackgroundTask(actions.record, wired.database, target, said, **how)
