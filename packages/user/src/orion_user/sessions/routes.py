"""`/me/sessions`."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from orion_core.http.authentication import user_id
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Page
from orion_user.components import Claims, Wired
from orion_user.sessions import actions
from orion_user.sessions.shapes import SessionShape

LISTING = "me/sessions by -started_at,-id"

router = APIRouter(tags=["me"])


@router.get("/me/sessions")
async def my_sessions(
    request: Request,
    response: Response,
    wired: Wired,
    claims: Claims,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> Page[SessionShape]:
    """Where the user is signed in, the latest sign-in first."""
    listing = f"{LISTING} of {claims.sub}"
    after = _position(wired.cursors.read(listing, cursor)) if cursor is not None else None
    rows = await actions.live_sessions(wired.database, user_id(claims), wired.clock(), after, limit + 1)
    page = rows[:limit]
    following = wired.cursors.issue(listing, [page[-1]["started_at"], page[-1]["id"]]) if len(rows) > limit else None
    if following is not None:
        url = request.url.include_query_params(cursor=following)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return Page(items=[SessionShape.of(row, claims.sid) for row in page], next=following)


def _position(values: list[Any]) -> tuple[datetime, UUID]:
    started_at, row_id = values
    return started_at, row_id
