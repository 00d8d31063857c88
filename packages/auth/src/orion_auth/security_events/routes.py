"""Security events over HTTP: a user's own, and those of all accounts for administrators, by pages or as one stream."""

from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from orion_auth.components import Claims, Investigator, Sender, Wired
from orion_auth.security_events import actions
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import SECURITY_EVENTS_EXPORTED, SECURITY_EVENTS_SEARCHED, Wanted
from orion_auth.security_events.shapes import EventFilters, EventSearch, EventShape, MyEvent, shown
from orion_core.http.authentication import user_id
from orion_core.http.openapi import refusals
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Page, link_next

NDJSON = "application/x-ndjson"

router = APIRouter(prefix="/auth/v1", tags=["security events"])


@router.get("/me/security-events", responses=refusals(HTTPStatus.BAD_REQUEST))
async def list_mine(
    wired: Wired,
    claims: Claims,
    request: Request,
    response: Response,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> Page[MyEvent]:
    """What happened to my account, the latest first."""
    mine = user_id(claims)
    listing = f"me/security-events {mine}"
    before: UUID | None = None if cursor is None else wired.cursors.read(listing, cursor)[0]
    found = await actions.search(wired.database, Wanted(user_id=mine), before, limit + 1)
    items = [MyEvent.model_validate(shown(row)) for row in found[:limit]]
    following = wired.cursors.issue(listing, [items[-1].id]) if len(found) > limit else None
    link_next(request, response, following)
    return Page(items=items, next=following)


@router.get("/security-events", responses=refusals(HTTPStatus.BAD_REQUEST))
async def search(
    filters: Annotated[EventSearch, Query()],
    wired: Wired,
    administrator: Investigator,
    bearer: Sender,
    request: Request,
    response: Response,
) -> Page[EventShape]:
    """Events of all accounts, the latest first. The first page of a search is itself an event."""
    before: UUID | None = None
    if filters.cursor is not None:
        before = wired.cursors.read(filters.listing, filters.cursor)[0]
    found = await actions.search(wired.database, filters.wanted, before, filters.limit + 1)
    if filters.cursor is None:
        circumstances = Circumstances.of(bearer, details={"filters": filters.given})
        kind = SECURITY_EVENTS_SEARCHED
        await actions.note_act(wired.database, kind, administrator.sub, circumstances, wired.clock())
    items = [EventShape.model_validate(shown(row)) for row in found[: filters.limit]]
    following = wired.cursors.issue(filters.listing, [items[-1].id]) if len(found) > filters.limit else None
    link_next(request, response, following)
    return Page(items=items, next=following)


@router.get(
    "/security-events/export",
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}, "description": "One event on each line"}},
)
async def export(
    filters: Annotated[EventFilters, Query()], wired: Wired, administrator: Investigator, bearer: Sender
) -> StreamingResponse:
    """Events of all accounts up to now, the earliest first, one as JSON on each line.

    An answer that breaks off before its end is not complete. The export is itself an event, which it does not hold.
    """
    now = wired.clock()
    circumstances = Circumstances.of(bearer, details={"filters": filters.given})
    await actions.note_act(wired.database, SECURITY_EVENTS_EXPORTED, administrator.sub, circumstances, now)

    async def lines() -> AsyncGenerator[bytes]:
        async for rows in actions.pages(wired.database, filters.wanted, now):
            yield b"".join(EventShape.model_validate(shown(row)).model_dump_json().encode() + b"\n" for row in rows)

    disposition = 'attachment; filename="security-events.ndjson"'
    return StreamingResponse(lines(), media_type=NDJSON, headers={"Content-Disposition": disposition})
