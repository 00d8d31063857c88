"""`/roles`."""

from functools import partial
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Request, Response

from orion_core.http.etags import etag, require_match
from orion_core.http.openapi import refusals
from orion_core.paging import Page
from orion_user.catalog.shapes import PermissionName
from orion_user.components import Wired
from orion_user.desk import AtDesk
from orion_user.listing import DEFAULT_LIMIT, Cursor, Limit, answer_page
from orion_user.once import MakingOnce
from orion_user.roles import actions, parts
from orion_user.roles.shapes import (
    InheritedPermission,
    NewRole,
    NewRolePermission,
    RoleChanges,
    RoleDetails,
    RoleReference,
    RoleSummary,
)

router = APIRouter(prefix="/roles", tags=["roles"])

GONE = refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@router.get("")
async def roles(
    request: Request,
    response: Response,
    wired: Wired,
    desk: AtDesk,
    organization_id: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[RoleSummary]:
    """Roles by name: those of an organization, or those that belong to none."""
    listing = f"roles by name of {organization_id}"
    after: str | None = None if cursor is None else wired.cursors.read(listing, cursor)[0]
    found = await actions.page(desk, organization_id, after, limit + 1)
    return answer_page(request, response, wired.cursors, listing, found, limit, ["name"], RoleSummary.of)


@router.post("", status_code=HTTPStatus.CREATED, response_model=RoleDetails, responses=refusals(HTTPStatus.CONFLICT))
async def create_role(once: MakingOnce, desk: AtDesk, body: NewRole) -> Response:
    """Make a CUSTOM role, for one organization or for all."""
    return await once.make(partial(actions.create, desk, body), "/user/v1/roles/{id}", tag=etag)


@router.get("/{role_id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def role(response: Response, desk: AtDesk, role_id: UUID) -> RoleDetails:
    """A role with what it says itself."""
    found = await actions.read(desk, role_id)
    response.headers["ETag"] = etag(found)
    return found


@router.patch("/{role_id}", responses=GONE | refusals(HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED))
async def change_role(
    request: Request, response: Response, desk: AtDesk, role_id: UUID, body: RoleChanges
) -> RoleDetails:
    """Change what a CUSTOM role is called, or whether it gives anything. `If-Match` is required."""
    changed = await actions.change(desk, role_id, body, partial(require_match, request))
    response.headers["ETag"] = etag(changed)
    return changed


@router.delete("/{role_id}", status_code=HTTPStatus.NO_CONTENT, responses=GONE)
async def delete_role(desk: AtDesk, role_id: UUID) -> None:
    """Delete a CUSTOM role that nobody has or ever had; one that somebody had is set inactive instead."""
    await actions.remove(desk, role_id)


@router.get("/{role_id}/permissions", responses=refusals(HTTPStatus.NOT_FOUND))
async def role_permissions(desk: AtDesk, role_id: UUID) -> list[InheritedPermission]:
    """What a role allows and denies, itself and by what it inherits, with the role that says so. DENY wins."""
    return [
        InheritedPermission(
            permission=row["permission"],
            effect=row["effect"],
            condition=row["condition"],
            role=RoleReference(id=row["id"], name=row["name"], display_name=row["display_name"]),
            depth=row["depth"],
        )
        for row in await actions.permissions(desk, role_id)
    ]


@router.put("/{role_id}/permissions/{name}", responses=GONE)
async def set_role_permission(
    response: Response,
    desk: AtDesk,
    role_id: UUID,
    name: PermissionName,
    body: Annotated[NewRolePermission, Body(default_factory=NewRolePermission)],
) -> RoleDetails:
    """Have a CUSTOM role allow or deny a permission, instead of what it said of it before."""
    changed = await parts.set_permission(desk, role_id, name, body)
    response.headers["ETag"] = etag(changed)
    return changed


@router.delete("/{role_id}/permissions/{name}", status_code=HTTPStatus.NO_CONTENT, responses=GONE)
async def remove_role_permission(desk: AtDesk, role_id: UUID, name: PermissionName) -> None:
    """Have a CUSTOM role say nothing of a permission."""
    await parts.remove_permission(desk, role_id, name)


@router.put("/{role_id}/parents/{parent_id}", responses=GONE)
async def add_role_parent(response: Response, desk: AtDesk, role_id: UUID, parent_id: UUID) -> RoleDetails:
    """Have a CUSTOM role inherit from another role, besides those that it inherits from."""
    changed = await parts.add_parent(desk, role_id, parent_id)
    response.headers["ETag"] = etag(changed)
    return changed


@router.delete("/{role_id}/parents/{parent_id}", status_code=HTTPStatus.NO_CONTENT, responses=GONE)
async def remove_role_parent(desk: AtDesk, role_id: UUID, parent_id: UUID) -> None:
    """End that a CUSTOM role inherits from another one."""
    await parts.remove_parent(desk, role_id, parent_id)
