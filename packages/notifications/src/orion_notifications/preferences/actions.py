"""What can be done with preferences."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.imports import ImportedIdentity
from orion_contracts.user_events import NotificationPreferencesChanged
from orion_notifications.kinds import Channel
from orion_notifications.preferences import store
from orion_notifications.preferences.rules import Contact


async def remember_user(
    connection: AsyncConnection, *, user_id: UUID, email: str, name: str | None, locale: str, timezone: str
) -> None:
    """Keep what auth has told of a new user; every channel is on until they say otherwise.

    A zone that this machine's database of zones does not know (yet) becomes UTC: a wrong hour is better than no mail.
    """
    zone = timezone if _is_zone(timezone) else "UTC"
    values = {"user_id": user_id, "email": email, "name": name, "locale": locale, "timezone": zone}
    await store.insert_user(connection, values)


async def remember_users(
    connection: AsyncConnection, imported: Sequence[ImportedIdentity], imported_at: datetime
) -> None:
    """The same of many users who were brought over; whoever has an address already stays as he is."""
    zones = {name: name if _is_zone(name) else "UTC" for name in {each.timezone for each in imported}}
    rows = [
        {
            "user_id": each.user_id,
            "email": each.email,
            "email_verified_at": imported_at if each.is_verified else None,
            "name": each.name,
            "locale": each.locale,
            "timezone": zones[each.timezone],
        }
        for each in sorted(imported, key=lambda each: each.user_id)
    ]
    await store.insert_users(connection, rows)


async def remember_verified_email(
    connection: AsyncConnection, user_id: UUID, email: str, verified_at: datetime
) -> None:
    """Keep that the address is the user's."""
    await store.set_email_verified(connection, user_id, email, verified_at)


async def remember_phone(connection: AsyncConnection, user_id: UUID, phone: str | None) -> None:
    """Keep the number that the user has shown to be theirs; None: there is none any more."""
    await store.set_phone(connection, user_id, phone)


async def remember_choices(connection: AsyncConnection, event: NotificationPreferencesChanged) -> None:
    """Keep by which ways a user wants to be told of what, also of one whom auth has not told of yet."""
    switches = {f"{way}_enabled": getattr(event, way) for way in ("email", "sms", "push", "in_app")}
    nowhere = {channel.name: False for channel in Channel}
    await store.set_choices(
        connection, event.user_id, switches | {"category_channels": dict.fromkeys(event.muted_categories, nowhere)}
    )


async def contact(connection: AsyncConnection, user_id: UUID) -> Contact:
    """What is known of a user; of an unknown one nothing, and nothing is switched off."""
    row = await store.find(connection, user_id)
    if row is None:
        return Contact()
    return Contact(
        name=row["name"] or "",
        email=row["email"],
        is_email_verified=row["email_verified_at"] is not None,
        locale=row["locale"],
        timezone=row["timezone"],
        switched_off=frozenset(channel for channel in Channel if not row[f"{channel.name.lower()}_enabled"]),
        overrides=row["category_channels"],
    )


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # unknown, not a key, a folder of zones
        return False
    return True
