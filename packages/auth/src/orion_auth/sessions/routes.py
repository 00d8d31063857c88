"""Sessions, over HTTP: signing out deletes one."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter

from orion_auth.components import Claims, Wired
from orion_auth.sessions import actions
from orion_core.http.authentication import require_scope, user_id
from orion_core.http.feed import SCOPE
from orion_core.revocations import RevocationSnapshot

router = APIRouter(prefix="/auth/v1", tags=["sessions"])


@router.delete("/sessions/current", status_code=HTTPStatus.NO_CONTENT)
async def sign_out(claims: Claims, wired: Wired) -> None:
    """Sign out: this session ends, and every service refuses its tokens within a second."""
    subject = user_id(claims)
    await actions.sign_out(wired.database, wired.outbox, subject, UUID(claims.sid), wired.clock())


@router.get("/revocations")
async def read_revocations(claims: Claims, wired: Wired) -> RevocationSnapshot:
    """What is refused now, for services that begin to follow."""
    require_scope(claims, SCOPE)
    return await actions.snapshot(wired.database, wired.feed, wired.clock())
