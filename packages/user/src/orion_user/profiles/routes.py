"""`/profiles`: users, to each other."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter

from orion_core.http.openapi import refusals
from orion_user.access import guard
from orion_user.components import Claims, Wired
from orion_user.profiles import actions
from orion_user.profiles.shapes import ProfileShape

router = APIRouter(prefix="/profiles", tags=["profiles"])


@router.get("/{user_id}", responses=refusals(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND))
async def read_profile(user_id: UUID, wired: Wired, claims: Claims) -> ProfileShape:
    """What a user lets others see, by their privacy preferences. Whoever hides is as if not there."""
    async with wired.database.autocommit() as connection:
        await guard.require(connection, claims, "user:read", wired.clock())
        return await actions.read(connection, user_id)
