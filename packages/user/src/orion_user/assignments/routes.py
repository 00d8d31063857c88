"""`/role-assignments` and `/permission-grants`."""

from functools import partial
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from orion_core.http.openapi import refusals
from orion_core.paging import Page
from orion_user.assignments import actions, direct
from orion_user.assignments.shapes import (
    NewPermissionGrant,
    NewRoleAssignment,
    PermissionGrantSearch,
    PermissionGrantState,
    RoleAssignmentSearch,
    RoleAssignmentState,
)
from orion_user.components import Wired
from orion_user.desk import AtDesk
from orion_user.listing import answer_page
from orion_user.once import MakingOnce
from orion_user.texts import Reason

router = APIRouter(tags=["assignments"])

EndReason = Annotated[Reason | None, Query(description="Why it is ended; told in the audit trail.")]


@router.get("/role-assignments")
async def role_assignments(
    request: Request, response: Response, wired: Wired, desk: AtDesk, wanted: Annotated[RoleAssignmentSearch, Query()]
) -> Page[RoleAssignmentState]:
    """Which roles a user was given, or to whom a role was given, the latest first. Everybody sees his own."""
    listing = f"role-assignments {wanted.model_dump(mode='json', exclude={'cursor', 'limit'})}"
    before: UUID | None = None if wanted.cursor is None else wired.cursors.read(listing, wanted.cursor)[0]
    found = await actions.search(desk, wanted, before)
    return answer_page(request, response, wired.cursors, listing, found, wanted.limit, ["id"], RoleAssignmentState.of)


@router.post(
    "/role-assignments",
    status_code=HTTPStatus.CREATED,
    response_model=RoleAssignmentState,
    responses=refusals(HTTPStatus.CONFLICT),
)
async def assign_role(once: MakingOnce, desk: AtDesk, body: NewRoleAssignment) -> Response:
    """Give a user a role: somewhere, from some time on, until another. Nobody gives what he does not hold."""
    return await once.make(partial(actions.assign, desk, body), "/user/v1/role-assignments/{id}")


@router.get("/role-assignments/{grant_id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def role_assignment(desk: AtDesk, grant_id: UUID) -> RoleAssignmentState:
    """One assignment."""
    return await actions.read(desk, grant_id)


@router.delete(
    "/role-assignments/{grant_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def end_role_assignment(desk: AtDesk, grant_id: UUID, reason: EndReason = None) -> None:
    """End an assignment now. It stays as history; one that has not begun is taken back."""
    await actions.end(desk, grant_id, reason)


@router.get("/permission-grants", responses=refusals(HTTPStatus.NOT_FOUND))
async def permission_grants(
    request: Request, response: Response, wired: Wired, desk: AtDesk, wanted: Annotated[PermissionGrantSearch, Query()]
) -> Page[PermissionGrantState]:
    """What a user was allowed and denied past all roles, or to whom a permission was, the latest first."""
    listing = f"permission-grants {wanted.model_dump(mode='json', exclude={'cursor', 'limit'})}"
    before: UUID | None = None if wanted.cursor is None else wired.cursors.read(listing, wanted.cursor)[0]
    found = await direct.search(desk, wanted, before)
    return answer_page(request, response, wired.cursors, listing, found, wanted.limit, ["id"], PermissionGrantState.of)


@router.post(
    "/permission-grants",
    status_code=HTTPStatus.CREATED,
    response_model=PermissionGrantState,
    responses=refusals(HTTPStatus.CONFLICT),
)
async def grant_permission(once: MakingOnce, desk: AtDesk, body: NewPermissionGrant) -> Response:
    """Allow or deny a user something past all roles. DENY wins over whatever allows it."""
    return await once.make(partial(direct.grant, desk, body), "/user/v1/permission-grants/{id}")


@router.get("/permission-grants/{grant_id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def permission_grant(desk: AtDesk, grant_id: UUID) -> PermissionGrantState:
    """One grant."""
    return await direct.read(desk, grant_id)


@router.delete(
    "/permission-grants/{grant_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def end_permission_grant(desk: AtDesk, grant_id: UUID, reason: EndReason = None) -> None:
    """End a grant now. It stays as history; one that has not begun is taken back."""
    await direct.end(desk, grant_id, reason)
