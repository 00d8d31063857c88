"""What notifications knows of a person, for the service that puts the person's archive together."""

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from orion_core.http.authentication import PERSONAL_DATA, require_scope
from orion_core.personal_data import DOCUMENT
from orion_notifications.components import Claims, Wired
from orion_notifications.erasures import actions

router = APIRouter(tags=["services"])


@router.get("/users/{user_id}/personal-data", response_class=StreamingResponse, responses=DOCUMENT)
async def personal_data(user_id: UUID, claims: Claims, wired: Wired) -> StreamingResponse:
    """All that notifications knows of a person, by table, without secrets. For the user service; nothing for nobody."""
    require_scope(claims, PERSONAL_DATA)
    return StreamingResponse(actions.known_of(wired.database, user_id), media_type="application/json")
