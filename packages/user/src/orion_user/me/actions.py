"""What a user can do about themselves."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.user_events import LocaleChanged
from orion_core.database import Database
from orion_core.errors import unavailable
from orion_core.events import outbox
from orion_core.http.etags import etag
from orion_user.access import actions as access
from orion_user.access.shapes import PermissionShape, RoleShape
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor, Change
from orion_user.me.shapes import MeShape, ProfileChanges
from orion_user.preferences import actions as preferences
from orion_user.users import actions as users


async def read(database: Database, user_id: UUID, now: datetime) -> MeShape:
    """The user's profile, roles and permissions; a 503 Problem until auth's event has made the profile."""
    async with database.autocommit() as connection:
        return await _me(connection, user_id, now)


async def change(
    database: Database,
    user_id: UUID,
    changes: ProfileChanges,
    actor: Actor,
    now: datetime,
    require: Callable[[str], None],
) -> MeShape:
    """Change the profile. `require` is given its ETag while nobody else can change it, and raises to refuse."""
    async with database.transaction() as transaction:
        connection = transaction.connection
        before = await _me(connection, user_id, now, lock=True)
        require(etag(before))
        await users.change_profile(connection, user_id, before.model_dump(), changes.of_row())
        await preferences.change(connection, user_id, changes.of_preferences())
        after = await _me(connection, user_id, now)
        if (before.locale, before.timezone) != (after.locale, after.timezone):
            event = LocaleChanged(user_id=user_id, locale=after.locale, timezone=after.timezone, changed_at=now)
            await outbox.write(transaction, event, now)
        fields = changes.model_fields_set
        old, new = before.model_dump(mode="json", include=fields), after.model_dump(mode="json", include=fields)
        if old != new:
            written = Change("user.update", "user", str(user_id), user_id=user_id, old=old, new=new)
            await audit.record(transaction, actor, written, now)
        return after


async def _me(connection: AsyncConnection, user_id: UUID, now: datetime, *, lock: bool = False) -> MeShape:
    profile = await users.profile(connection, user_id, lock=lock)
    if profile is None:
        raise unavailable("profile_not_ready", "Your profile is being made; try again in a moment.", 1)
    chosen = await preferences.read(connection, user_id)
    return _shape(profile, chosen, await access.of_user(connection, user_id, now))


def _shape(profile: RowMapping, chosen: RowMapping, found: access.Access) -> MeShape:
    return MeShape.model_validate(
        {
            **profile,
            **chosen,
            "status": profile["status"].name,
            "roles": [RoleShape.of(role) for role in found.roles],
            "permissions": [PermissionShape.of(permission) for permission in found.permissions],
        }
    )
