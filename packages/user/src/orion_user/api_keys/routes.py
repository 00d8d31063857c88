"""`/me/api-keys`, `/api-keys` and `/api-key-leak-reports`."""

from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query
from starlette.requests import Request
from starlette.responses import Response

from orion_contracts.claims import AccessClaims
from orion_core.api_keys import STAGES
from orion_core.http.authentication import refuse_api_key, require_recent, user_id
from orion_core.http.context import Context
from orion_core.http.etags import require_match
from orion_core.http.openapi import refusals
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Page, link_next
from orion_user.api_keys import actions
from orion_user.api_keys.actions import Caller, Keys
from orion_user.api_keys.rules import RECENT
from orion_user.api_keys.shapes import (
    ApiKeyChanges,
    ApiKeyShape,
    IssuedApiKey,
    LeakReport,
    NewApiKey,
    NewServiceKey,
    Rotation,
    Service,
)
from orion_user.audit.actions import Actor
from orion_user.components import Claims, Components, Wired

LISTING = "api-keys by -id"
NOT_THERE, TAKEN = HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT
PRECONDITIONS = (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)
Cursor = Annotated[str | None, Query(max_length=500)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT)]

router = APIRouter(tags=["API keys"])


@router.get("/me/api-keys")
async def my_keys(
    request: Request,
    response: Response,
    wired: Wired,
    claims: Claims,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[ApiKeyShape]:
    """One's own keys, the latest first, also those that have ended."""
    return await _page(request, response, wired, _owner(wired, claims, request), (None, None), cursor, limit)


@router.post("/me/api-keys", status_code=HTTPStatus.CREATED, responses=refusals(TAKEN))
async def make_my_key(
    request: Request, wired: Wired, claims: Claims, body: NewApiKey, response: Response
) -> IssuedApiKey:
    """Make a key. It is shown in this answer alone; it opens what its scopes name, as long as its owner may do that."""
    caller = _owner(wired, claims, request)
    require_recent(claims, caller.now, RECENT)
    return _shown(response, await actions.issue(_keys(wired), caller, body))


@router.get("/me/api-keys/{key_id}", responses=refusals(NOT_THERE))
async def my_key(key_id: UUID, request: Request, wired: Wired, claims: Claims, response: Response) -> ApiKeyShape:
    """One of one's own keys."""
    return _tagged(response, await actions.read(_keys(wired), _owner(wired, claims, request), key_id))


@router.patch("/me/api-keys/{key_id}", responses=refusals(NOT_THERE, TAKEN, *PRECONDITIONS))
async def change_my_key(
    key_id: UUID,
    wired: Wired,
    claims: Claims,
    body: ApiKeyChanges,
    request: Request,
    response: Response,
) -> ApiKeyShape:
    """Change its name, its networks or its limit. Send `If-Match`. What it opens cannot be changed."""
    caller, require = _owner(wired, claims, request), partial(require_match, request)
    require_recent(claims, caller.now, RECENT)
    return _tagged(response, await actions.change(_keys(wired), caller, key_id, body, require))


@router.delete("/me/api-keys/{key_id}", status_code=HTTPStatus.NO_CONTENT, responses=refusals(NOT_THERE))
async def revoke_my_key(key_id: UUID, request: Request, wired: Wired, claims: Claims) -> None:
    """End a key at once, and every token that was got for it."""
    await actions.revoke(_keys(wired), _owner(wired, claims, request), key_id)


@router.post("/me/api-keys/{key_id}/rotation", status_code=HTTPStatus.CREATED, responses=refusals(NOT_THERE, TAKEN))
async def rotate_my_key(
    key_id: UUID,
    request: Request,
    wired: Wired,
    claims: Claims,
    body: Annotated[Rotation, Body(default_factory=Rotation)],
    response: Response,
) -> IssuedApiKey:
    """Make a key's successor, which opens the same; the old one is good until the overlap is over."""
    caller = _owner(wired, claims, request)
    require_recent(claims, caller.now, RECENT)
    overlap = timedelta(hours=body.overlap_hours)
    return _shown(response, await actions.rotate(_keys(wired), caller, key_id, overlap))


@router.get("/api-keys", responses=refusals(HTTPStatus.BAD_REQUEST))
async def all_keys(
    request: Request,
    response: Response,
    wired: Wired,
    claims: Claims,
    user: Annotated[UUID | None, Query(alias="user_id")] = None,
    service: Annotated[Service | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[ApiKeyShape]:
    """Everybody's keys. Needs `api_key:read`."""
    caller = _administrator(wired, claims, request, "api_key:read")
    return await _page(request, response, wired, caller, (user, service), cursor, limit)


@router.post("/api-keys", status_code=HTTPStatus.CREATED, responses=refusals(TAKEN))
async def make_service_key(
    request: Request, wired: Wired, claims: Claims, body: NewServiceKey, response: Response
) -> IssuedApiKey:
    """Make a service's key. Needs `api_key:create` and every permission that the key is to have, everywhere."""
    refuse_api_key(claims)
    caller = _administrator(wired, claims, request, "api_key:create")
    if claims.sid is not None:
        require_recent(claims, caller.now, RECENT)
    return _shown(response, await actions.issue(_keys(wired), caller, body))


@router.get("/api-keys/{key_id}", responses=refusals(NOT_THERE))
async def one_key(key_id: UUID, request: Request, wired: Wired, claims: Claims, response: Response) -> ApiKeyShape:
    """One key. Needs `api_key:read`."""
    caller = _administrator(wired, claims, request, "api_key:read")
    return _tagged(response, await actions.read(_keys(wired), caller, key_id))


@router.patch("/api-keys/{key_id}", responses=refusals(NOT_THERE, TAKEN, *PRECONDITIONS))
async def change_key(
    key_id: UUID,
    wired: Wired,
    claims: Claims,
    body: ApiKeyChanges,
    request: Request,
    response: Response,
) -> ApiKeyShape:
    """Change a key's name, networks or limit. Needs `api_key:update` and `If-Match`; no key changes keys."""
    refuse_api_key(claims)
    caller, require = _administrator(wired, claims, request, "api_key:update"), partial(require_match, request)
    return _tagged(response, await actions.change(_keys(wired), caller, key_id, body, require))


@router.delete("/api-keys/{key_id}", status_code=HTTPStatus.NO_CONTENT, responses=refusals(NOT_THERE))
async def revoke_key(key_id: UUID, request: Request, wired: Wired, claims: Claims) -> None:
    """End a key at once, and every token that was got for it. Needs `api_key:revoke`."""
    await actions.revoke(_keys(wired), _administrator(wired, claims, request, "api_key:revoke"), key_id)


@router.post("/api-keys/{key_id}/rotation", status_code=HTTPStatus.CREATED, responses=refusals(NOT_THERE, TAKEN))
async def rotate_service_key(
    key_id: UUID,
    request: Request,
    wired: Wired,
    claims: Claims,
    body: Annotated[Rotation, Body(default_factory=Rotation)],
    response: Response,
) -> IssuedApiKey:
    """Make the successor of a service's key; both are good until the overlap is over. Needs what making it needs."""
    refuse_api_key(claims)
    caller = _administrator(wired, claims, request, "api_key:create")
    if claims.sid is not None:
        require_recent(claims, caller.now, RECENT)
    overlap = timedelta(hours=body.overlap_hours)
    return _shown(response, await actions.rotate(_keys(wired), caller, key_id, overlap))


@router.post(
    "/api-key-leak-reports",
    status_code=HTTPStatus.ACCEPTED,
    response_class=Response,
    responses=refusals(HTTPStatus.TOO_MANY_REQUESTS),
)
async def report_leak(wired: Wired, context: Context, body: LeakReport) -> None:
    """Report a key that was found where it should not be. Needs no sign-in: the key is its own proof.

    It is revoked at once, and its owner is told. The answer is the same when there is no such key. One network reports
    60 a minute at most.
    """
    finder = Actor(ip_address=context.ip_address, user_agent=context.user_agent, request_id=context.request_id)
    await actions.report_leak(_keys(wired), body.key, body.url, finder, context.ip_address, wired.clock())


def _keys(wired: Components) -> Keys:
    return Keys(wired.database, wired.outbox, STAGES[wired.settings.environment])


def _owner(wired: Components, claims: AccessClaims, request: Request) -> Caller:
    return Caller(claims, Actor.of(claims, request), wired.clock(), owner=user_id(claims))


def _administrator(wired: Components, claims: AccessClaims, request: Request, permission: str) -> Caller:
    return Caller(claims, Actor.of(claims, request), wired.clock(), owner=None, permission=permission)


async def _page(
    request: Request,
    response: Response,
    wired: Components,
    caller: Caller,
    whose: tuple[UUID | None, str | None],
    cursor: str | None,
    limit: int,
) -> Page[ApiKeyShape]:
    listing = f"{LISTING} of {caller.owner or whose}"
    before: UUID | None = wired.cursors.read(listing, cursor)[0] if cursor is not None else None
    found = await actions.listed(_keys(wired), caller, *whose, before, limit + 1)
    items = found[:limit]
    following = wired.cursors.issue(listing, [items[-1].id]) if len(found) > limit else None
    link_next(request, response, following)
    return Page(items=items, next=following)


def _shown(response: Response, made: IssuedApiKey) -> IssuedApiKey:
    response.headers["ETag"] = made.etag
    return made


def _tagged(response: Response, found: ApiKeyShape) -> ApiKeyShape:
    response.headers["ETag"] = found.etag
    return found
