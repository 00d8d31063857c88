"""`/access/plan`."""

from http import HTTPStatus

from fastapi import APIRouter

from orion_core.http.openapi import refusals
from orion_user.components import Claims, Wired
from orion_user.plans import actions
from orion_user.plans.shapes import PlanRequest, PlanShape

router = APIRouter(prefix="/access", tags=["access"])


@router.post("/plan", responses=refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY))
async def plan(wired: Wired, claims: Claims, asked: PlanRequest) -> PlanShape:
    """What changes of roles and grants would give and take, and to whom; nothing is changed.

    It needs what making the changes needs; roles that come with Orion cannot be changed here either. Of a role that
    many have, a hundred holders are looked at, in the order of their ids; `after` goes on with the others.
    """
    return await actions.plan(wired.database, claims, asked, wired.clock())
