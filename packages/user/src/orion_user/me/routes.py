"""`/me`."""

from functools import partial
from http import HTTPStatus

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from orion_core.http.authentication import user_id
from orion_core.http.etags import etag, is_unchanged, require_match
from orion_core.http.openapi import refusals
from orion_user.audit.actions import Actor
from orion_user.components import Claims, Wired
from orion_user.me import actions
from orion_user.me.shapes import MeShape, ProfileChanges

router = APIRouter(tags=["me"])


@router.get("/me", response_model=MeShape, responses={304: {"description": "Unchanged since If-None-Match"}})
async def me(request: Request, response: Response, wired: Wired, claims: Claims) -> MeShape | Response:
    """The profile of the user who is signed in, their roles and how they got them, and what they may do now."""
    found = await actions.read(wired.database, user_id(claims), wired.clock())
    response.headers["ETag"] = etag(found)
    if is_unchanged(request, etag(found)):
        return Response(status_code=304, headers={"ETag": etag(found)})
    return found


@router.patch("/me", responses=refusals(HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED))
async def change_me(
    request: Request, response: Response, wired: Wired, claims: Claims, changes: ProfileChanges
) -> MeShape:
    """Change the profile. `If-Match` with the ETag of `GET /me` is required: 428 without it, 412 if it is outdated."""
    require = partial(require_match, request)
    actor = Actor.of(claims, request)
    changed = await actions.change(wired.database, user_id(claims), changes, actor, wired.clock(), require)
    response.headers["ETag"] = etag(changed)
    return changed
