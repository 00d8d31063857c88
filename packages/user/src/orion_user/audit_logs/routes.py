"""`/audit-logs`: for who may `system:audit`."""

from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from starlette.requests import Request
from starlette.responses import Response

from orion_core.http.openapi import refusals
from orion_core.paging import Page, link_next
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor
from orion_user.audit_logs import actions
from orion_user.audit_logs.shapes import (
    CheckpointShape,
    EntryExport,
    EntrySearch,
    EntryShape,
    ExportFormat,
    csv_header,
    csv_rows,
    ndjson,
)
from orion_user.components import Claims, Wired

NDJSON, CSV = "application/x-ndjson", "text/csv"

router = APIRouter(tags=["audit"])

FORBIDDEN = refusals(HTTPStatus.FORBIDDEN)


@router.get("/audit-logs", responses=FORBIDDEN | refusals(HTTPStatus.BAD_REQUEST))
async def search(
    filters: Annotated[EntrySearch, Query()], wired: Wired, claims: Claims, request: Request, response: Response
) -> Page[EntryShape]:
    """Entries, the latest first. The first page of a search is itself an entry."""
    before: UUID | None = None
    if filters.cursor is not None:
        before = wired.cursors.read(filters.listing, filters.cursor)[0]
    now = wired.clock()
    found = await actions.search(wired.database, claims, filters.wanted, before, filters.limit + 1, now)
    if filters.cursor is None:
        await actions.note(wired.database, Actor.of(claims, request), "audit.search", filters.given, now)
    items = [EntryShape.of(row) for row in found[: filters.limit]]
    following = wired.cursors.issue(filters.listing, [items[-1].id]) if len(found) > filters.limit else None
    link_next(request, response, following)
    return Page(items=items, next=following)


@router.get(
    "/audit-logs/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {media: {"schema": {"type": "string"}} for media in (NDJSON, CSV)},
            "description": "One entry on each line",
        },
        **FORBIDDEN,
    },
)
async def export(
    filters: Annotated[EntryExport, Query()], wired: Wired, claims: Claims, request: Request
) -> StreamingResponse:
    """Entries up to now, the earliest first. An answer that breaks off before its end is not complete.

    The export is itself an entry, which it does not hold. For an export with its proof: `orion audit export`.
    """
    now = wired.clock()
    await actions.require(wired.database, claims, now)
    given = filters.given | {"format": filters.format.value}
    await actions.note(wired.database, Actor.of(claims, request), "audit.export", given, now)
    is_csv = filters.format is ExportFormat.CSV

    async def lines() -> AsyncGenerator[bytes]:
        if is_csv:
            yield csv_header()
        async for rows in audit.pages(wired.database, filters.wanted, now):
            yield csv_rows(rows) if is_csv else ndjson(rows)

    disposition = f'attachment; filename="audit-logs.{filters.format.value}"'
    media = CSV if is_csv else NDJSON
    return StreamingResponse(lines(), media_type=media, headers={"Content-Disposition": disposition})


@router.get("/audit-logs/{entry_id}", responses=FORBIDDEN | refusals(HTTPStatus.NOT_FOUND))
async def read(entry_id: UUID, wired: Wired, claims: Claims) -> EntryShape:
    """One entry."""
    return EntryShape.of(await actions.one(wired.database, claims, entry_id, wired.clock()))


@router.get("/audit-checkpoints/latest", responses=FORBIDDEN | refusals(HTTPStatus.NOT_FOUND))
async def latest_checkpoint(wired: Wired, claims: Claims) -> CheckpointShape:
    """The end of the chain. Keep `head` elsewhere: what is cut off before it is then found."""
    return CheckpointShape.of(await actions.latest_checkpoint(wired.database, claims, wired.clock()))
