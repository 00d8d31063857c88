"""Suspensions, over HTTP; for administrators."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter

from orion_auth.components import Suspender, Wired
from orion_auth.suspensions import actions
from orion_core.http.openapi import refusals

router = APIRouter(prefix="/auth/v1", tags=["administration"])

_REFUSALS = refusals(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


@router.post("/users/{user_id}/suspension", status_code=HTTPStatus.NO_CONTENT, responses=_REFUSALS)
async def suspend(user_id: UUID, administrator: Suspender, wired: Wired) -> None:
    """Shut a user out: all sessions end, and no new one begins. Once more changes nothing."""
    await wired.guard.require_as_much(administrator, user_id)
    await actions.suspend(wired.database, wired.outbox, user_id, administrator.sub, wired.clock())


@router.delete("/users/{user_id}/suspension", status_code=HTTPStatus.NO_CONTENT, responses=_REFUSALS)
async def reinstate(user_id: UUID, administrator: Suspender, wired: Wired) -> None:
    """End a suspension: the user may sign in again. For one who is not suspended it changes nothing."""
    await wired.guard.require_as_much(administrator, user_id)
    await actions.reinstate(wired.database, wired.outbox, user_id, administrator.sub, wired.clock())
