"""Usernames, over HTTP."""

from http import HTTPStatus

from fastapi import APIRouter

from orion_auth.components import Claims, Sender, Wired
from orion_auth.security_events.actions import Circumstances
from orion_auth.two_factor.actions import require_shown
from orion_auth.usernames import actions
from orion_auth.usernames.shapes import NewUsername
from orion_core.http.authentication import user_id
from orion_core.http.openapi import refusals

router = APIRouter(prefix="/auth/v1", tags=["usernames"])


@router.put("/me/username", status_code=HTTPStatus.NO_CONTENT, responses=refusals(HTTPStatus.CONFLICT))
async def change_username(body: NewUsername, claims: Claims, wired: Wired, bearer: Sender) -> None:
    """Choose another username. The old one is free for others at once."""
    subject, now = user_id(claims), wired.clock()
    await require_shown(wired.database, claims, now)
    circumstances = Circumstances.of(bearer)
    await actions.change(wired.database, wired.outbox, subject, body.username, circumstances, now)
