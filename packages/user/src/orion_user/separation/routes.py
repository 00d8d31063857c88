"""`/separation-rules`."""

from functools import partial
from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Request, Response

from orion_core.http.etags import etag, require_match
from orion_core.http.openapi import refusals
from orion_user.desk import AtDesk
from orion_user.once import MakingOnce
from orion_user.separation import actions
from orion_user.separation.shapes import NewSeparationRule, SeparationRuleChanges, SeparationRuleState

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
    return await once.make(partial(actions.create, desk, body), "/user/v1/separation-rules/{id}", tag=etag)


@router.get("/{rule_id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def separation_rule(response: Response, desk: AtDesk, rule_id: UUID) -> SeparationRuleState:
    """One rule."""
    found = await actions.read(desk, rule_id)
    response.headers["ETag"] = etag(found)
    return found


@router.patch(
    "/{rule_id}",
    responses=refusals(
        HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED
    ),
)
async def change_separation_rule(
    request: Request, response: Response, desk: AtDesk, rule_id: UUID, body: SeparationRuleChanges
) -> SeparationRuleState:
    """Change how many are too many, and of which roles; refused while somebody has them together. `If-Match`."""
    changed = await actions.change(desk, rule_id, body, partial(require_match, request))
    response.headers["ETag"] = etag(changed)
    return changed


@router.delete("/{rule_id}", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.NOT_FOUND))
async def delete_separation_rule(desk: AtDesk, rule_id: UUID) -> None:
    """Lift a rule."""
    await actions.remove(desk, rule_id)
