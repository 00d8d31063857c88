"""`/batches`: one message to many people. For administrators and programs that were given the right."""

import re
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request, Response

from orion_core.errors import Problem
from orion_core.http.edge import LargeBody
from orion_core.http.etags import etag, require_match
from orion_core.http.idempotency import Claim
from orion_core.http.openapi import refusals
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Page, link_next
from orion_core.rights.caller import caller
from orion_notifications.batches import actions
from orion_notifications.batches.reading import CSV, NDJSON
from orion_notifications.batches.rules import LARGEST_FILE, LONGEST_UPLOAD_SECONDS, MOST_RECIPIENTS, BatchStatus
from orion_notifications.batches.shapes import (
    BatchChange,
    BatchShape,
    ChunkShape,
    NewBatch,
    RecipientShape,
    ReportShape,
    StatusLabel,
)
from orion_notifications.components import Claims, Wired

router = APIRouter(prefix="/batches", tags=["batches"])

READ, SEND, UPDATE = "notification:read", "notification:send", "notification:update"
MISSING = refusals(HTTPStatus.NOT_FOUND)
NOT_NOW = refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
CHANGED = refusals(HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)
NOT_TAKEN = NOT_NOW | refusals(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
_LINES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {NDJSON: {"schema": {"type": "string"}}, CSV: {"schema": {"type": "string"}}},
    }
}

KEY = "Sent again under the same key, within a day, the request makes nothing new and gets the same answer."
UPLOAD = LargeBody(
    "PUT", re.compile(r"/notifications/v1/batches/[0-9a-fA-F-]{36}/recipients"), LARGEST_FILE, LONGEST_UPLOAD_SECONDS
)

Cursor = Annotated[str | None, Query(max_length=500, description="`next` of the previous page.")]
Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT)]


@router.get("")
async def batches(
    request: Request,
    response: Response,
    wired: Wired,
    claims: Claims,
    status: StatusLabel | None = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[BatchShape]:
    """Batches, newest first. A further page is asked for with `cursor` and the same filter."""
    await wired.require(claims, READ)
    listing = f"batches {status}"
    before = None if cursor is None else UUID(wired.cursors.read(listing, cursor)[0])
    found = await actions.page(wired.database, None if status is None else BatchStatus[status], before, limit + 1)
    shown, following = found[:limit], None
    if len(found) > limit:
        following = wired.cursors.issue(listing, [str(shown[-1]["id"])])
        link_next(request, response, following)
    return Page(items=[BatchShape.model_validate(dict(row)) for row in shown], next=following)


@router.post("", status_code=HTTPStatus.CREATED, response_model=BatchShape, responses=refusals(HTTPStatus.CONFLICT))
async def create_batch(
    request: Request,
    wired: Wired,
    claims: Claims,
    body: NewBatch,
    _: Annotated[str | None, Header(alias="Idempotency-Key", description=KEY)] = None,
) -> Response:
    """Begin a batch, as a DRAFT that takes recipients in. It says a template, or the words that come with it."""
    await wired.require(claims, SEND)

    async def work(claim: Claim[BatchShape]) -> BatchShape:
        return await actions.create(wired.database, body, caller(claims).user_id, wired.clock(), claim)

    return await wired.idempotency.once(request, f"{claims.client_id} {claims.sub}", work, _created)


def _created(made: BatchShape) -> Response:
    headers = {"Location": f"/notifications/v1/batches/{made.id}", "ETag": etag(made)}
    return Response(made.model_dump_json(), HTTPStatus.CREATED.value, headers, media_type="application/json")


@router.get("/{batch_id}", responses=MISSING)
async def batch(response: Response, wired: Wired, claims: Claims, batch_id: UUID) -> BatchShape:
    """One batch, and how far it is."""
    await wired.require(claims, READ)
    return _shown(response, BatchShape.model_validate(dict(await actions.read(wired.database, batch_id))))


def _shown(response: Response, batch: BatchShape) -> BatchShape:
    response.headers["ETag"] = etag(batch)
    return batch


@router.get("/{batch_id}/report", responses=MISSING)
async def report(wired: Wired, claims: Claims, batch_id: UUID) -> ReportShape:
    """What has become of the recipients and why, counted from the messages: seconds for a million of them."""
    await wired.require(claims, READ)
    return await actions.report(wired.database, batch_id)


@router.patch("/{batch_id}", responses=NOT_NOW | CHANGED)
async def change_batch(
    request: Request, response: Response, wired: Wired, claims: Claims, batch_id: UUID, body: BatchChange
) -> BatchShape:
    """Start, schedule, pause, go on with or cancel a batch. What it is already is no change.

    Of a DRAFT, or one that is SCHEDULED and has not begun, all but its template, type, channel, priority, variables and
    audience can be changed too; then `If-Match` is required. With a status alone it is heeded where it is sent.
    """
    await wired.require(claims, UPDATE)

    def match(current: BatchShape) -> None:
        if not body.is_status_alone or "if-match" in request.headers:
            require_match(request, etag(current))

    return _shown(response, await actions.change(wired.database, batch_id, body, match, wired.clock()))


@router.delete("/{batch_id}", status_code=HTTPStatus.NO_CONTENT, responses=NOT_NOW)
async def delete_batch(wired: Wired, claims: Claims, batch_id: UUID) -> None:
    """Put a draft away, with its recipients."""
    await wired.require(claims, UPDATE)
    await actions.remove(wired.database, batch_id, wired.clock())


@router.put("/{batch_id}/recipients", responses=NOT_TAKEN, openapi_extra=_LINES)
async def send_file(batch_id: UUID, request: Request, wired: Wired, claims: Claims) -> ChunkShape:
    """All recipients of a draft, a line each, up to 256 MiB; whoever stood there before is replaced.

    Lines are JSON objects, or records of CSV with a header, in which other columns are variables.
    """
    await wired.require(claims, SEND)
    return await actions.replace_lines(wired.database, batch_id, _kind(request), request.stream(), wired.clock())


@router.put("/{batch_id}/recipients/{first_line}", responses=NOT_TAKEN, openapi_extra=_LINES)
async def send_lines(
    batch_id: UUID,
    first_line: Annotated[int, Path(ge=1, le=MOST_RECIPIENTS)],
    request: Request,
    wired: Wired,
    claims: Claims,
) -> ChunkShape:
    """Up to a thousand recipients, a line each, the first of which has that number. Sent again, it is the same.

    Lines are JSON objects, or records of CSV with a header in each chunk, in which other columns are variables.
    """
    await wired.require(claims, SEND)
    return await actions.add_lines(wired.database, batch_id, _kind(request), first_line, await request.body())


def _kind(request: Request) -> str:
    """What kind of lines the body has; a 415 Problem for any other, and for what is packed: a little may hold much."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_packed = request.headers.get("content-encoding", "identity").strip().lower() != "identity"
    if is_packed or kind not in (NDJSON, CSV):
        detail = f"Send the lines as {NDJSON} or {CSV}, without Content-Encoding."
        raise Problem(415, "unsupported_media_type", "Unsupported media type", detail)
    return kind


@router.get("/{batch_id}/recipients", responses=MISSING)
async def recipients(
    request: Request,
    response: Response,
    wired: Wired,
    claims: Claims,
    batch_id: UUID,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[RecipientShape]:
    """Whom the batch has still to reach. Whoever has become a message is found by `GET /notifications?batch_id=…`."""
    await wired.require(claims, READ)
    listing = f"recipients of {batch_id}"
    after = 0 if cursor is None else int(wired.cursors.read(listing, cursor)[0])
    found = await actions.recipients(wired.database, batch_id, after, limit + 1)
    shown, following = found[:limit], None
    if len(found) > limit:
        following = wired.cursors.issue(listing, [shown[-1]["position"]])
        link_next(request, response, following)
    return Page(items=[RecipientShape.model_validate(dict(row)) for row in shown], next=following)
