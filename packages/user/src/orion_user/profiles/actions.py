"""Reading profiles as their owners want them read."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.errors import not_found
from orion_user.preferences import actions as preferences
from orion_user.profiles.rules import shown
from orion_user.profiles.shapes import ProfileShape
from orion_user.users import actions as users
from orion_user.users.rules import UserStatus


async def read(connection: AsyncConnection, user_id: UUID) -> ProfileShape:
    """The profile of an active user who lets it be seen; 404 otherwise, as for nobody."""
    user = await users.record(connection, user_id)
    if user is None or user["status"] is not UserStatus.ACTIVE:
        raise not_found("user")
    privacy = await preferences.privacy(connection, user_id)
    if privacy.visibility == "NOBODY":
        raise not_found("user")
    return ProfileShape.model_validate(shown(dict(user), privacy.model_dump()))
