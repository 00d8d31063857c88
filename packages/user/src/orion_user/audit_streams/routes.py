"""`/audit-streams`: for who may `system:configure`."""

from functools import partial
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from orion_core.http.etags import require_match
from orion_core.http.openapi import refusals
from orion_user.audit.actions import Actor
from orion_user.audit_streams import actions
from orion_user.audit_streams.actions import Office
from orion_user.audit_streams.shapes import NewStream, StreamChanges, StreamCreated, Streams, StreamShape, stream_etag
from orion_user.components import Claims, Wired
from orion_user.once import MakingOnce

router = APIRouter(prefix="/audit-streams", tags=["audit"])

FORBIDDEN = refusals(HTTPStatus.FORBIDDEN)
ONE = FORBIDDEN | refusals(HTTPStatus.NOT_FOUND)
CHANGING = ONE | refusals(HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)


async def _office(request: Request, wired: Wired, claims: Claims) -> Office:
    settings = wired.settings
    return Office(
        wired.database,
        claims,
        Actor.of(claims, request),
        wired.clock(),
        local=settings.allows_local_streams,
        keyring=settings.sealing_keys,
    )


OfficeOf = Annotated[Office, Depends(_office)]


@router.get("", responses=FORBIDDEN)
async def list_streams(office: OfficeOf) -> Streams:
    """All streams."""
    return Streams(items=await actions.list_all(office))


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=StreamCreated,
    responses=FORBIDDEN | refusals(HTTPStatus.CONFLICT),
)
async def create_stream(once: MakingOnce, body: NewStream, office: OfficeOf) -> Response:
    """Stream the audit trail to a webhook or a syslog server, from now on or from the beginning."""
    return await once.make(partial(actions.create, office, body), "/user/v1/audit-streams/{id}", tag=stream_etag)


@router.get("/{stream_id}", responses=ONE)
async def read_stream(stream_id: UUID, office: OfficeOf, response: Response) -> StreamShape:
    """A stream, how far it has got, and why it got no further."""
    found = await actions.read(office, stream_id)
    response.headers["ETag"] = stream_etag(found)
    return found


@router.patch("/{stream_id}", responses=CHANGING)
async def change_stream(
    stream_id: UUID, body: StreamChanges, office: OfficeOf, request: Request, response: Response
) -> StreamShape:
    """Change where a stream goes, or switch it off and on. `If-Match` with the ETag that was read is required."""
    changed = await actions.change(office, stream_id, body, partial(require_match, request))
    response.headers["ETag"] = stream_etag(changed)
    return changed


@router.delete("/{stream_id}", status_code=HTTPStatus.NO_CONTENT, responses=CHANGING)
async def remove_stream(stream_id: UUID, office: OfficeOf, request: Request) -> None:
    """End a stream. `If-Match` is required."""
    await actions.remove(office, stream_id, partial(require_match, request))
