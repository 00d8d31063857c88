"""`/me/webhook-endpoints`: a user's own; `/webhook-endpoints`: the operator's, for who may `provider:configure`."""

from functools import partial
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from orion_core.http.authentication import user_id
from orion_core.http.etags import require_match
from orion_core.http.openapi import refusals
from orion_notifications.components import Claims, Wired
from orion_notifications.webhooks import actions
from orion_notifications.webhooks.actions import Owner
from orion_notifications.webhooks.shapes import (
    EndpointChanges,
    Endpoints,
    EndpointShape,
    EndpointWithSecret,
    NewEndpoint,
    endpoint_etag,
)

# The same routes twice; whose endpoints they are about is what `_owner` makes of the path.
mine = APIRouter(prefix="/me/webhook-endpoints", tags=["my webhook endpoints"])
router = APIRouter(prefix="/webhook-endpoints", tags=["webhook endpoints"])

ONE = refusals(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
CHANGING = ONE | refusals(HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)
MAKING = refusals(HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT)


async def _owner(request: Request, wired: Wired, claims: Claims) -> Owner:
    if "/me/" in request.scope["path"]:
        whose = user_id(claims)
    else:
        await wired.require(claims, "provider:configure")
        whose = None
    return Owner(wired.database, wired.desk.keyring, whose, wired.clock(), wired.allows_local_targets)


OwnerOf = Annotated[Owner, Depends(_owner)]


@mine.get("")
@router.get("", responses=refusals(HTTPStatus.FORBIDDEN))
async def list_endpoints(owner: OwnerOf) -> Endpoints:
    """All endpoints, and how they are doing."""
    return Endpoints(items=await actions.list_all(owner))


@mine.post("", status_code=HTTPStatus.CREATED, responses=MAKING)
@router.post("", status_code=HTTPStatus.CREATED, responses=MAKING)
async def create_endpoint(
    body: NewEndpoint, owner: OwnerOf, request: Request, response: Response
) -> EndpointWithSecret:
    """Add an endpoint. Its secret is shown this once."""
    made = await actions.create(owner, body)
    response.headers["Location"] = f"{request.scope['path']}/{made.id}"
    response.headers["ETag"] = endpoint_etag(made)
    return made


@mine.get("/{endpoint_id}", responses=ONE)
@router.get("/{endpoint_id}", responses=ONE)
async def read_endpoint(endpoint_id: UUID, owner: OwnerOf, response: Response) -> EndpointShape:
    """An endpoint."""
    found = await actions.read(owner, endpoint_id)
    response.headers["ETag"] = endpoint_etag(found)
    return found


@mine.patch("/{endpoint_id}", responses=CHANGING)
@router.patch("/{endpoint_id}", responses=CHANGING)
async def change_endpoint(
    endpoint_id: UUID, body: EndpointChanges, owner: OwnerOf, request: Request, response: Response
) -> EndpointShape:
    """Change an endpoint, or switch it off and on. `If-Match` with the ETag that was read is required."""
    changed = await actions.change(owner, endpoint_id, body, partial(require_match, request))
    response.headers["ETag"] = endpoint_etag(changed)
    return changed


@mine.post("/{endpoint_id}/secrets", status_code=HTTPStatus.CREATED, responses=ONE)
@router.post("/{endpoint_id}/secrets", status_code=HTTPStatus.CREATED, responses=ONE)
async def rotate_secret(endpoint_id: UUID, owner: OwnerOf) -> EndpointWithSecret:
    """Take a new secret. For 24 hours deliveries are signed by the one before too."""
    return await actions.rotate(owner, endpoint_id)


@mine.delete("/{endpoint_id}", status_code=HTTPStatus.NO_CONTENT, responses=CHANGING)
@router.delete("/{endpoint_id}", status_code=HTTPStatus.NO_CONTENT, responses=CHANGING)
async def remove_endpoint(endpoint_id: UUID, owner: OwnerOf, request: Request) -> None:
    """End an endpoint. `If-Match` is required."""
    await actions.remove(owner, endpoint_id, partial(require_match, request))
