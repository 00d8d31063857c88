"""Administering rate limits, over HTTP."""

from functools import partial
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from orion_auth.components import Configurer, Investigator, Reader, Rescuer, Sender, Wired
from orion_auth.rate_limits import administration
from orion_auth.rate_limits.rules import Endpoint, RateLimitKeyType
from orion_auth.rate_limits.shapes import LimitedShape, Policies, PolicyChange, PolicyShape
from orion_auth.security_events.actions import Circumstances
from orion_auth.tokens.actions import Bearer
from orion_contracts.claims import AccessClaims
from orion_core.http.etags import etag, require_match
from orion_core.http.openapi import refusals
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Page, link_next

LISTING = "rate-limits by id"
_PRECONDITIONS = (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)

router = APIRouter(prefix="/auth/v1", tags=["rate limits"])


@router.get("/rate-limit-policies")
async def list_policies(wired: Wired, _: Reader) -> Policies:
    """How often what may be tried, and by whom it is counted."""
    return Policies(items=await administration.policies(wired.database))


@router.get("/rate-limit-policies/{endpoint}/{key_type}", responses=refusals(HTTPStatus.NOT_FOUND))
async def read_policy(
    endpoint: Endpoint, key_type: RateLimitKeyType, wired: Wired, _: Reader, response: Response
) -> PolicyShape:
    """One policy."""
    found = await administration.policy(wired.database, endpoint, key_type)
    response.headers["ETag"] = etag(found)
    return found


@router.put(
    "/rate-limit-policies/{endpoint}/{key_type}",
    responses={201: {"model": PolicyShape, "description": "Made"}} | refusals(*_PRECONDITIONS),
)
async def put_policy(
    endpoint: Endpoint,
    key_type: RateLimitKeyType,
    change: PolicyChange,
    wired: Wired,
    caller: Configurer,
    bearer: Sender,
    request: Request,
    response: Response,
) -> PolicyShape:
    """Make a policy, or change it; it holds from the next try on. To change one, send `If-Match` with its ETag."""
    require = partial(require_match, request)
    circumstances = _circumstances(caller, bearer)
    policy, is_new = await administration.put(
        wired.database, endpoint, key_type, change, require, circumstances, wired.clock()
    )
    response.headers["ETag"] = etag(policy)
    response.status_code = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    return policy


@router.delete(
    "/rate-limit-policies/{endpoint}/{key_type}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=refusals(HTTPStatus.NOT_FOUND, *_PRECONDITIONS),
)
async def delete_policy(
    endpoint: Endpoint,
    key_type: RateLimitKeyType,
    wired: Wired,
    caller: Configurer,
    bearer: Sender,
    request: Request,
) -> None:
    """Limit that no longer. Send `If-Match` with the policy's ETag."""
    require = partial(require_match, request)
    await administration.remove(
        wired.database, endpoint, key_type, require, _circumstances(caller, bearer), wired.clock()
    )


@router.get("/rate-limits", responses=refusals(HTTPStatus.BAD_REQUEST))
async def list_limited(
    request: Request,
    response: Response,
    wired: Wired,
    _: Investigator,
    whose: Annotated[
        str | None, Query(min_length=1, max_length=255, description="Part of an account, a network or a user's id.")
    ] = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> Page[LimitedShape]:
    """Whose next try would be refused now."""
    listing = f"{LISTING} of {whose or ''}"
    after: UUID | None = wired.cursors.read(listing, cursor)[0] if cursor is not None else None
    found = await administration.limited(wired.database, whose, after, limit + 1, wired.clock())
    items = list(found[:limit])
    following = wired.cursors.issue(listing, [items[-1].id]) if len(found) > limit else None
    link_next(request, response, following)
    return Page(items=items, next=following)


@router.delete(
    "/rate-limits/{limit_id}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=refusals(HTTPStatus.NOT_FOUND),
)
async def lift(limit_id: UUID, wired: Wired, caller: Rescuer, bearer: Sender) -> None:
    """Let somebody who is limited try again at once."""
    await administration.lift(wired.database, limit_id, _circumstances(caller, bearer), wired.clock())


def _circumstances(caller: AccessClaims, bearer: Bearer) -> Circumstances:
    return Circumstances.of(bearer, details={"actor": caller.sub})
