"""The route that serves a service's events to the others."""

from http import HTTPStatus
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from orion_contracts.cloud_event import BATCH_MEDIA_TYPE
from orion_core.events.client import BACKLOG, NEXT_POSITION
from orion_core.events.feed import Feed
from orion_core.http.authentication import Authenticate, require_scope
from orion_core.http.openapi import BEARER, refusals

SCOPE = "events:read"


def feed_routes(feed: Feed, authenticate: Authenticate, prefix: str = "") -> APIRouter:
    """`GET /events`, for services that hold the scope `events:read`."""

    async def may_read(request: Request) -> None:
        """Before anything is said of what was asked."""
        require_scope(await authenticate(request), SCOPE)

    router = APIRouter(prefix=prefix, tags=["events"], dependencies=[Depends(BEARER), Depends(may_read)])

    @router.get(
        "/events",
        response_class=Response,
        responses={200: {"content": {BATCH_MEDIA_TYPE: {}}}, **refusals(HTTPStatus.CONFLICT, HTTPStatus.GONE)},
    )
    async def events(
        after: Annotated[
            int, Query(ge=0, le=2**62, description="Position after which to read; 0 is the oldest event that is kept.")
        ] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        wait: Annotated[float, Query(ge=0, le=10, description="Seconds to wait for an event when there is none.")] = 0,
        types: Annotated[list[str] | None, Query(alias="type", description="Only events of these types.")] = None,
    ) -> Response:
        """Events in order, as a CloudEvents batch; the header `Orion-Next-Position` says where to read on.

        `Orion-Backlog: true` says that there may be more already; nothing can be said yet of how things stand.
        """
        page = await feed.read(after, limit=limit, wait=wait, types=frozenset(types or ()))
        body = orjson.dumps([event.model_dump(mode="json", exclude_none=True) for event in page.events])
        headers = {NEXT_POSITION: str(page.next)} | ({} if page.is_whole else {BACKLOG: "true"})
        return Response(body, media_type=BATCH_MEDIA_TYPE, headers=headers)

    return router
