"""What notifications knows of a person, for the service that puts the person's archive together."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from orion_core.http.authentication import PERSONAL_DATA, require_scope
from orion_notifications.components import Claims, Wired
from orion_notifications.erasures import actions

router = APIRouter(tags=["services"])


@router.get("/users/{user_id}/personal-data")
async def personal_data(user_id: UUID, claims: Claims, wired: Wired) -> dict[str, list[dict[str, Any]]]:
    """All that notifications knows of a person, by table, without secrets. For the user service; nothing for nobody."""
    require_scope(claims, PERSONAL_DATA)
    return await actions.known_of(wired.database, user_id)
