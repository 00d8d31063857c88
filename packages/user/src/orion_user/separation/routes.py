"""`/separation-rules`."""

from functools import partial
from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Response

from orion_core.http.openapi import refusals
from orion_user.desk import AtDesk
from orion_user.once import MakingOnce
from orion_user.separation import actions
from orion_user.separation.shapes import NewSeparationRule, SeparationRuleState

router = APIRouter(prefix="/separation-rules", tags=["separation of duty"])


@router.get("")
async def separation_rules(desk: AtDesk) -> list[SeparationRuleState]:
    """The rules that keep duties apart."""
    return await actions.page(desk)


@router.post(
    "", status_code=HTTPStatus.CREATED, response_model=SeparationRuleState, responses=refusals(HTTPStatus.CONFLICT)
)
async def create_separation_rule(once: MakingOnce, desk: AtDesk, body: NewSeparationRule) -> Response:
    """Keep duties apart from now on; refused while somebody has them together."""
    return await once.make(partial(actions.create, desk, body), "/user/v1/separation-rules/{id}")


@router.delete("/{rule_id}", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.NOT_FOUND))
async def delete_separation_rule(desk: AtDesk, rule_id: UUID) -> None:
    """Lift a rule."""
    await actions.remove(desk, rule_id)
