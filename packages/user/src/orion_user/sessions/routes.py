"""`/me/sessions`, and the same of any user for administrators."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from orion_core.http.authentication import require_recent
from orion_core.http.authentication import user_id as caller_id
from orion_core.http.openapi import refusals
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Page, link_next
from orion_core.rights.caller import caller
from orion_user.access import guard
from orion_user.access.actions import require_rank
from orion_user.audit.actions import Actor
from orion_user.components import Claims, Components, Wired
from orion_user.sessions import actions
from orion_user.sessions.shapes import SessionShape

LISTING = "sessions by -started_at,-id"

router = APIRouter()

Cursor = Annotated[str | None, Query(max_length=500)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT)]
Ended = Annotated[bool, Query(description="Those too that have ended or expired, as long as they are remembered.")]

_ENDING = refusals(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


@router.get("/me/sessions", tags=["me"])
async def my_sessions(
    request: Request,
    response: Response,
    wired: Wired,
    claims: Claims,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[SessionShape]:
    """Where the user is signed in, the latest sign-in first."""
    return await _page(request, response, wired, claims, caller_id(claims), cursor, limit, with_ended=False)


@router.delete("/me/sessions/{session_id}", tags=["me"], status_code=HTTPStatus.ACCEPTED, responses=_ENDING)
async def end_my_session(session_id: UUID, request: Request, wired: Wired, claims: Claims) -> None:
    """Have auth end one of the user's sessions; it is over within moments.

    One that is not this needs a proof of who one is that is minutes old.
    """
    owner = caller_id(claims)
    if str(session_id) != claims.sid:
        require_recent(claims, wired.clock())
    await _end(request, wired, claims, owner, session_id)


@router.get("/users/{user_id}/sessions", tags=["users"], responses=refusals(HTTPStatus.FORBIDDEN))
async def user_sessions(
    user_id: UUID,
    request: Request,
    response: Response,
    wired: Wired,
    claims: Claims,
    with_ended: Ended = False,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[SessionShape]:
    """Where somebody is signed in, the latest sign-in first."""
    async with wired.database.autocommit() as connection:
        await guard.require(connection, claims, "user:update", wired.clock())
    return await _page(request, response, wired, claims, user_id, cursor, limit, with_ended=with_ended)


@router.delete("/users/{user_id}/sessions", tags=["users"], status_code=HTTPStatus.ACCEPTED, responses=_ENDING)
async def end_user_sessions(user_id: UUID, request: Request, wired: Wired, claims: Claims) -> None:
    """Have auth end every session of a user; they are over within moments."""
    await _require_above(wired, claims, user_id)
    await _end(request, wired, claims, user_id, None)


@router.delete(
    "/users/{user_id}/sessions/{session_id}", tags=["users"], status_code=HTTPStatus.ACCEPTED, responses=_ENDING
)
async def end_user_session(user_id: UUID, session_id: UUID, request: Request, wired: Wired, claims: Claims) -> None:
    """Have auth end one session of a user; it is over within moments."""
    await _require_above(wired, claims, user_id)
    await _end(request, wired, claims, user_id, session_id)


async def _require_above(wired: Components, claims: Claims, user_id: UUID) -> None:
    async with wired.database.autocommit() as connection:
        await guard.require(connection, claims, "user:suspend", wired.clock())
        await require_rank(connection, caller(claims), user_id, wired.clock())


async def _end(request: Request, wired: Components, claims: Claims, user_id: UUID, session_id: UUID | None) -> None:
    actor, now = Actor.of(claims, request), wired.clock()
    await actions.ask_to_end(
        wired.database, wired.outbox, user_id, session_id, by=claims.sub[:100], actor=actor, now=now
    )


async def _page(
    request: Request,
    response: Response,
    wired: Components,
    claims: Claims,
    user_id: UUID,
    cursor: str | None,
    limit: int,
    *,
    with_ended: bool,
) -> Page[SessionShape]:
    listing = f"{LISTING} of {user_id}{' with ended' if with_ended else ''}"
    after = _position(wired.cursors.read(listing, cursor)) if cursor is not None else None
    async with wired.database.autocommit() as connection:
        rows = await actions.sessions_of(connection, user_id, wired.clock(), after, limit + 1, with_ended=with_ended)
    page = rows[:limit]
    following = wired.cursors.issue(listing, [page[-1]["started_at"], page[-1]["id"]]) if len(rows) > limit else None
    link_next(request, response, following)
    return Page(items=[SessionShape.of(row, claims.sid) for row in page], next=following)


def _position(values: list[Any]) -> tuple[datetime, UUID]:
    started_at, row_id = values
    return started_at, row_id
