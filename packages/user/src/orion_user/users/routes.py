"""`/users`, for administrators."""

from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Query
from starlette.requests import Request
from starlette.responses import Response

from orion_contracts.claims import AccessClaims
from orion_core.http.etags import etag, is_unchanged, require_match
from orion_core.http.openapi import refusals
from orion_core.http.shapes import Moment
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Page, link_next
from orion_core.rights.caller import caller
from orion_user.access import guard
from orion_user.audit.actions import Actor
from orion_user.components import Claims, Components, Wired
from orion_user.users import administration
from orion_user.users.administration import Administrator
from orion_user.users.rules import Sort, UserStatus, Wanted
from orion_user.users.shapes import Reason, UserChanges, UserShape

StatusName = Literal["PENDING", "ACTIVE", "SUSPENDED", "DELETED"]

router = APIRouter(prefix="/users", tags=["users"])

_REFUSALS = refusals(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_CONFLICT = refusals(HTTPStatus.CONFLICT)
_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Unchanged since If-None-Match"}}


@router.get("", responses=refusals(HTTPStatus.FORBIDDEN))
async def list_users(
    request: Request,
    response: Response,
    wired: Wired,
    claims: Claims,
    q: Annotated[
        str | None, Query(min_length=3, max_length=100, description="In a name, an address or a username.")
    ] = None,
    is_prefix: Annotated[bool, Query(description="`q` stands at the beginning.")] = False,
    status: Annotated[list[StatusName] | None, Query(description="Deleted users only when asked for.")] = None,
    is_verified: Annotated[bool | None, Query(description="Whether the address is verified.")] = None,
    created_from: Moment | None = None,
    created_before: Moment | None = None,
    last_login_from: Moment | None = None,
    last_login_before: Moment | None = None,
    sort: Annotated[Sort, Query(description="`last_login_at` lists those who have signed in.")] = Sort.CREATED_LAST,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> Page[UserShape]:
    """Users that meet all that is asked for."""
    statuses = tuple(sorted((UserStatus[name] for name in set(status or ())), key=lambda each: each.value))
    wanted = Wanted(
        q, is_prefix, statuses, is_verified, created_from, created_before, last_login_from, last_login_before
    )
    listing = f"users {wanted} by {sort.value}"
    after = _position(wired.cursors.read(listing, cursor)) if cursor is not None else None
    async with wired.database.autocommit() as connection:
        await guard.require(connection, claims, "user:update", wired.clock())
        rows = await administration.search(connection, wanted, sort, after, limit + 1)
    page, following = rows[:limit], None
    if len(rows) > limit:
        following = wired.cursors.issue(listing, [page[-1][sort.column], page[-1]["id"]])
        link_next(request, response, following)
    return Page(items=[UserShape.of(row) for row in page], next=following)


@router.get("/{user_id}", response_model=UserShape, responses=_REFUSALS | _UNCHANGED)
async def read_user(
    user_id: UUID, request: Request, response: Response, wired: Wired, claims: Claims
) -> UserShape | Response:
    """All of a user, deleted or not. What other users may see is at `/profiles`."""
    async with wired.database.autocommit() as connection:
        await guard.require(connection, claims, "user:update", wired.clock())
        found = await administration.read(connection, user_id)
    response.headers["ETag"] = etag(found)
    if is_unchanged(request, etag(found)):
        return Response(status_code=304, headers={"ETag": etag(found)})
    return found


@router.patch(
    "/{user_id}", responses=_REFUSALS | refusals(HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)
)
async def change_user(
    user_id: UUID, changes: UserChanges, request: Request, response: Response, wired: Wired, claims: Claims
) -> UserShape:
    """Change a profile, under `If-Match` with its ETag. Address, username and number are changed by their owner."""
    by = await _administrator(wired, claims, request, "user:update")
    require = partial(require_match, request)
    changed = await administration.change(wired.database, by, user_id, changes, wired.clock(), require)
    response.headers["ETag"] = etag(changed)
    return changed


@router.post("/{user_id}/suspension", responses=_REFUSALS | _CONFLICT)
async def suspend_user(
    user_id: UUID, body: Annotated[Reason, Body(default_factory=Reason)], request: Request, wired: Wired, claims: Claims
) -> UserShape:
    """Shut a user out until further notice; auth ends the sessions within moments. Once more changes nothing."""
    by = await _administrator(wired, claims, request, "user:suspend")
    return await administration.suspend(wired.database, wired.outbox, by, user_id, body.reason, wired.clock())


@router.delete("/{user_id}/suspension", responses=_REFUSALS)
async def reinstate_user(user_id: UUID, request: Request, wired: Wired, claims: Claims) -> UserShape:
    """End a suspension. For a user who is not suspended it changes nothing."""
    by = await _administrator(wired, claims, request, "user:suspend")
    return await administration.reinstate(wired.database, wired.outbox, by, user_id, None, wired.clock())


@router.delete("/{user_id}", responses=_REFUSALS)
async def delete_user(user_id: UUID, request: Request, wired: Wired, claims: Claims) -> UserShape:
    """Put a user away; until `purge_after` they can be restored with their id, roles and all. Once more, nothing."""
    by = await _administrator(wired, claims, request, "user:delete")
    return await administration.delete(wired.database, wired.outbox, by, user_id, None, wired.clock())


@router.post("/{user_id}/restoration", responses=_REFUSALS | _CONFLICT)
async def restore_user(
    user_id: UUID, body: Annotated[Reason, Body(default_factory=Reason)], request: Request, wired: Wired, claims: Claims
) -> UserShape:
    """Bring a deleted user back, as they were. For one who is not deleted it changes nothing."""
    by = await _administrator(wired, claims, request, "user:delete")
    return await administration.restore(wired.database, wired.outbox, by, user_id, body.reason, wired.clock())


async def _administrator(wired: Components, claims: AccessClaims, request: Request, permission: str) -> Administrator:
    """Who calls, once they may."""
    async with wired.database.autocommit() as connection:
        await guard.require(connection, claims, permission, wired.clock())
    return Administrator(caller(claims), Actor.of(claims, request), claims.sub[:100])


def _position(values: list[Any]) -> tuple[datetime | str, UUID]:
    value, row_id = values
    return value, row_id
