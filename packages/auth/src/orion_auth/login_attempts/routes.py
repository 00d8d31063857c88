"""Looking through attempts to sign in, over HTTP."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from orion_auth.components import Investigator, Wired
from orion_auth.login_attempts import actions
from orion_auth.login_attempts.shapes import AttemptFilters, AttemptShape
from orion_core.http.openapi import refusals
from orion_core.paging import Page, link_next

router = APIRouter(prefix="/auth/v1", tags=["login attempts"])


@router.get("/login-attempts", responses=refusals(HTTPStatus.BAD_REQUEST))
async def list_attempts(
    filters: Annotated[AttemptFilters, Query()], wired: Wired, _: Investigator, request: Request, response: Response
) -> Page[AttemptShape]:
    """Attempts to sign in, the latest first. Of those that a rate limit refused, a network's first few a minute."""
    after: tuple[datetime, UUID] | None = None
    if filters.cursor is not None:
        moment, attempt_id = wired.cursors.read(filters.listing, filters.cursor)
        after = moment, attempt_id
    found = await actions.search(wired.database, filters.wanted, after, filters.limit + 1)
    items = [AttemptShape.of(row) for row in found[: filters.limit]]
    following = None
    if len(found) > filters.limit:
        following = wired.cursors.issue(filters.listing, [items[-1].attempted_at, items[-1].id])
        link_next(request, response, following)
    return Page(items=items, next=following)
