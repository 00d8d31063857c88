"""Imports of users, and the export of all."""

import csv
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from starlette.requests import Request
from starlette.responses import Response

from orion_core.errors import Problem
from orion_core.http.idempotency import Claim
from orion_core.http.openapi import refusals
from orion_user.access import guard
from orion_user.audit.actions import Actor
from orion_user.components import Claims, Components, Wired
from orion_user.imports import actions
from orion_user.imports.export import export, tell
from orion_user.imports.reading import Read, read_all
from orion_user.imports.rules import LINES_AT_ONCE, ImportFormat
from orion_user.imports.shapes import ChunkShape, ImportShape, NewImport
from orion_user.once import MakingOnce

router = APIRouter(tags=["imports"])

NDJSON, CSV = "application/x-ndjson", "text/csv"
LARGEST_LINE_NUMBER = 2**31 - 1
_LINES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {NDJSON: {"schema": {"type": "string"}}, CSV: {"schema": {"type": "string"}}},
    }
}
_REFUSALS = refusals(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_REPORT: dict[int | str, dict[str, Any]] = {200: {"content": {NDJSON: {}}, "description": "One line for each line"}}
_USERS: dict[int | str, dict[str, Any]] = {200: {"content": {NDJSON: {}, CSV: {}}, "description": "One user a line"}}


@router.post(
    "/imports",
    status_code=HTTPStatus.CREATED,
    response_model=ImportShape,
    responses=refusals(HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT),
)
async def begin_import(once: MakingOnce, body: NewImport, request: Request, wired: Wired, claims: Claims) -> Response:
    """Begin an import: its lines are sent by the thousand, and again wherever it is unclear if they came."""
    await _require(wired, claims, "user:create")
    actor, now = Actor.of(claims, request), wired.clock()

    async def begin(claim: Claim[ImportShape]) -> ImportShape:
        return await actions.begin(
            wired.database, body.format, body.columns, by=claims.sub[:100], actor=actor, now=now, claim=claim
        )

    return await once.make(begin, "/user/v1/imports/{id}")


@router.get("/imports/{import_id}", responses=_REFUSALS)
async def read_import(import_id: UUID, wired: Wired, claims: Claims) -> ImportShape:
    """How far an import is, and from which line on it goes on."""
    await _require(wired, claims, "user:create")
    async with wired.database.autocommit() as connection:
        return await actions.read(connection, import_id)


@router.put(
    "/imports/{import_id}/lines/{first_line}",
    responses=_REFUSALS | refusals(HTTPStatus.UNPROCESSABLE_ENTITY),
    openapi_extra=_LINES,
)
async def send_lines(
    import_id: UUID,
    first_line: Annotated[int, Path(ge=1, le=LARGEST_LINE_NUMBER)],
    request: Request,
    wired: Wired,
    claims: Claims,
) -> ChunkShape:
    """Up to a thousand lines, the first of which has that number; what became of each.

    What a line came to stays: sent again, in whatever chunk, it is answered so and counted once.
    """
    await _require(wired, claims, "user:create")
    async with wired.database.autocommit() as connection:
        found = await actions.find(connection, import_id)
    lines = _read(found["format"], found["columns"], first_line, await request.body())
    actor, now = Actor.of(claims, request), wired.clock()
    return await actions.take_in(wired.database, wired.others, import_id, lines, actor=actor, now=now)


@router.get("/imports/{import_id}/report", response_class=StreamingResponse, responses=_REFUSALS | _REPORT)
async def read_report(import_id: UUID, wired: Wired, claims: Claims) -> StreamingResponse:
    """What became of every line."""
    await _require(wired, claims, "user:create")
    async with wired.database.autocommit() as connection:
        await actions.find(connection, import_id)
    return StreamingResponse(actions.report(wired.database, import_id), media_type=NDJSON)


@router.get("/user-export", response_class=StreamingResponse, responses=refusals(HTTPStatus.FORBIDDEN) | _USERS)
async def export_users(
    request: Request,
    wired: Wired,
    claims: Claims,
    format_: Annotated[ImportFormat, Query(alias="format")] = ImportFormat.NDJSON,
    after: Annotated[UUID | None, Query(description="Go on after the last user that came whole.")] = None,
) -> StreamingResponse:
    """All users, deleted ones too, in the order of their ids. That they were given out stands in the audit trail."""
    await _require(wired, claims, "user:update")
    await tell(wired.database, Actor.of(claims, request), format_, after, wired.clock())
    media_type = NDJSON if format_ is ImportFormat.NDJSON else CSV
    return StreamingResponse(export(wired.database, format_, after), media_type=media_type)


async def _require(wired: Components, claims: Claims, permission: str) -> None:
    async with wired.database.autocommit() as connection:
        await guard.require(connection, claims, permission, wired.clock())


def _read(format_: ImportFormat, columns: list[str], first_line: int, body: bytes) -> list[Read]:
    try:
        lines = read_all(format_, columns, first_line, body)
    except (UnicodeDecodeError, csv.Error):
        detail = "The body is not UTF-8, or its quotes do not match. Nothing was taken in."
        raise Problem(422, "invalid_lines", "Invalid lines", detail) from None
    if not 0 < len(lines) <= LINES_AT_ONCE or first_line + len(lines) > LARGEST_LINE_NUMBER:
        detail = f"Send between 1 and {LINES_AT_ONCE} lines at once. Nothing was taken in."
        raise Problem(422, "invalid_lines", "Invalid lines", detail)
    return lines
