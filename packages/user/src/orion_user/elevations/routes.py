"""`/elevations`."""

from functools import partial
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response

from orion_core.http.openapi import refusals
from orion_core.paging import Page
from orion_user.components import Wired
from orion_user.desk import AtDesk
from orion_user.elevations import actions
from orion_user.elevations.shapes import Decision, ElevationSearch, ElevationState, NewElevation
from orion_user.listing import answer_page
from orion_user.once import MakingOnce

router = APIRouter(prefix="/elevations", tags=["elevations"])

REFUSED = refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@router.get("")
async def elevations(
    request: Request, response: Response, wired: Wired, desk: AtDesk, wanted: Annotated[ElevationSearch, Query()]
) -> Page[ElevationState]:
    """One's own elevations, or with `mine=false` those of all, the latest first."""
    listing = f"elevations {desk.claims.sub} {wanted.model_dump(mode='json', exclude={'cursor', 'limit'})}"
    before: UUID | None = None if wanted.cursor is None else wired.cursors.read(listing, wanted.cursor)[0]
    found = await actions.search(desk, wanted, before)
    return answer_page(request, response, wired.cursors, listing, found, wanted.limit, ["id"], ElevationState.of)


@router.post("", status_code=HTTPStatus.CREATED, response_model=ElevationState, responses=refusals(HTTPStatus.CONFLICT))
async def request_elevation(once: MakingOnce, desk: AtDesk, body: NewElevation) -> Response:
    """Ask to have a role for a time. Another person approves; it ends by itself."""
    return await once.make(partial(actions.request, desk, body), "/user/v1/elevations/{id}")


@router.get("/{elevation_id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def elevation(desk: AtDesk, elevation_id: UUID) -> ElevationState:
    """One elevation."""
    return await actions.read(desk, elevation_id)


@router.post("/{elevation_id}/approval", responses=REFUSED)
async def approve_elevation(
    desk: AtDesk, elevation_id: UUID, body: Annotated[Decision, Body(default_factory=Decision)]
) -> ElevationState:
    """Give the role for the time that was asked for, from now on; somebody else's request only."""
    return await actions.approve(desk, elevation_id, body)


@router.post("/{elevation_id}/denial", responses=REFUSED)
async def deny_elevation(
    desk: AtDesk, elevation_id: UUID, body: Annotated[Decision, Body(default_factory=Decision)]
) -> ElevationState:
    """Refuse what was asked for."""
    return await actions.deny(desk, elevation_id, body)


@router.delete("/{elevation_id}", status_code=HTTPStatus.NO_CONTENT, responses=REFUSED)
async def give_up_elevation(desk: AtDesk, elevation_id: UUID) -> None:
    """Take a request back, or end an elevation early."""
    await actions.give_up(desk, elevation_id)
