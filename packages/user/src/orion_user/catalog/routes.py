"""`/permissions`."""

from functools import partial
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from orion_core.http.etags import etag, require_match
from orion_core.http.openapi import refusals
from orion_core.paging import Page
from orion_user.catalog import actions
from orion_user.catalog.shapes import NewPermission, PermissionChanges, PermissionName, PermissionState
from orion_user.components import Wired
from orion_user.desk import AtDesk
from orion_user.listing import DEFAULT_LIMIT, Cursor, Limit, answer_page
from orion_user.once import MakingOnce

LISTING = "permissions by name"

router = APIRouter(prefix="/permissions", tags=["permissions"])


@router.get("")
async def permissions(
    request: Request,
    response: Response,
    wired: Wired,
    desk: AtDesk,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[PermissionState]:
    """All permissions, by name."""
    after: str | None = None if cursor is None else wired.cursors.read(LISTING, cursor)[0]
    found = await actions.page(desk, after, limit + 1)
    return answer_page(request, response, wired.cursors, LISTING, found, limit, ["name"], PermissionState.of)


@router.post(
    "", status_code=HTTPStatus.CREATED, response_model=PermissionState, responses=refusals(HTTPStatus.CONFLICT)
)
async def create_permission(once: MakingOnce, desk: AtDesk, body: NewPermission) -> Response:
    """Make a permission that a product asks for; its name is `resource:action`, and stays."""
    return await once.make(partial(actions.create, desk, body), "/user/v1/permissions/{name}", tag=etag)


@router.get("/{name}", responses=refusals(HTTPStatus.NOT_FOUND))
async def permission(response: Response, desk: AtDesk, name: PermissionName) -> PermissionState:
    """One permission."""
    found = await actions.read(desk, name)
    response.headers["ETag"] = etag(found)
    return found


@router.patch(
    "/{name}",
    responses=refusals(HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED),
)
async def change_permission(
    request: Request, response: Response, desk: AtDesk, name: PermissionName, body: PermissionChanges
) -> PermissionState:
    """Describe a permission anew. `If-Match` is required."""
    changed = await actions.change(desk, name, body, partial(require_match, request))
    response.headers["ETag"] = etag(changed)
    return changed


@router.delete(
    "/{name}", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
)
async def delete_permission(desk: AtDesk, name: PermissionName) -> None:
    """Delete a permission that no role has and no user ever had."""
    await actions.remove(desk, name)
