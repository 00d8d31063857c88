"""Audiences, for notifications."""

from http import HTTPStatus

from fastapi import APIRouter

from orion_contracts.audiences import AudiencePage
from orion_core.http.authentication import AUDIENCES, require_scope
from orion_core.http.openapi import refusals
from orion_user.audiences import actions
from orion_user.audiences.shapes import AudienceQuestion
from orion_user.components import Claims, Wired

router = APIRouter(tags=["audiences"])

_REFUSALS = refusals(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)


@router.post("/audience-pages", responses=_REFUSALS)
async def audience_page(wired: Wired, claims: Claims, asked: AudienceQuestion) -> AudiencePage:
    """Who is ACTIVE and meant by a role, an organization or a tag: a page, for services with `audiences:read`.

    404 when there is no such role or organization, 409 when the role is switched off.
    """
    require_scope(claims, AUDIENCES)
    return await actions.page(wired.database, asked.audience, asked.after, wired.clock())
