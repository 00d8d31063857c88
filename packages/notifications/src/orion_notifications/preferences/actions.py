"""What can be done with preferences."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.imports import ImportedIdentity
from orion_contracts.user_events import LocaleChanged, NotificationPreferencesChanged
from orion_notifications.kinds import ALWAYS_ON, Category, Channel
from orion_notifications.preferences import store
from orion_notifications.preferences.rules import Contact, Frequency
from orion_notifications.quiet_hours.rules import QuietHours, quiet_hours, read_time, zone_named

log = structlog.get_logger()


async def remember_user(
    connection: AsyncConnection, *, user_id: UUID, email: str, name: str | None, locale: str, timezone: str
) -> None:
    """Keep what auth has told of a new user; every channel is on until they say otherwise.

    A zone that this machine's database of zones does not know (yet) becomes UTC: a wrong hour is better than no mail.
    """
    zone = timezone if is_zone(timezone) else "UTC"
    values = {"user_id": user_id, "email": email, "name": name, "locale": locale, "timezone": zone}
    await store.insert_user(connection, values)


async def remember_users(
    connection: AsyncConnection, imported: Sequence[ImportedIdentity], imported_at: datetime
) -> None:
    """The same of many users who were brought over; whoever has an address already stays as he is."""
    zones = {name: name if is_zone(name) else "UTC" for name in {each.timezone for each in imported}}
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
    categories = {"category_channels": dict.fromkeys(event.muted_categories, nowhere)}
    await store.set_choices(connection, event.user_id, switches | categories | _digests(event.digest))


def _digests(chosen: str | None) -> dict[str, Any]:
    """What becomes of digests when a user chooses one for all that can wait; nothing where he has chosen none."""
    if chosen is None:
        return {}
    can_wait = [category.name for category in Category if category not in ALWAYS_ON]
    return {"digests": dict.fromkeys(can_wait, chosen) if chosen in Frequency.__members__ else {}}


async def remember_locale(connection: AsyncConnection, event: LocaleChanged) -> None:
    """Keep in which language and by which clock a user lives, of one who is known; zones as in `remember_user`."""
    zone = event.timezone if is_zone(event.timezone) else "UTC"
    await store.set_locale(connection, event.user_id, event.locale, zone)


NOTHING_CHOSEN: Mapping[str, Any] = {
    **{f"{channel.name.lower()}_enabled": True for channel in Channel},
    **{name: {} for name in ("category_channels", "chosen_channels", "type_channels", "quiet_hours_overrides")},
    **{f"quiet_hours_{name}": None for name in ("start", "end", "timezone")},
    "quiet_hours_enabled": False,
    "quiet_hours_days": list(range(1, 8)),
    "digests": {},
    "digest_at": time(9),
    "refuses_tracking": False,
    "locale": "en",
    "timezone": "UTC",
}
"""What is said of somebody of whom no preferences are kept: the defaults of the table."""


async def read(connection: AsyncConnection, user_id: UUID, *, lock: bool = False) -> RowMapping | None:
    """The preferences of a user as they are kept; nobody else changes them until the end, when locked."""
    return await store.find(connection, user_id, lock=lock)


async def choose(connection: AsyncConnection, user_id: UUID, columns: dict[str, Any]) -> None:
    """Keep what a user has chosen here; makes the row of one who is not known yet."""
    times = {"quiet_hours_start", "quiet_hours_end", "digest_at"} & columns.keys()
    if columns:
        await store.set_choices(connection, user_id, columns | {name: _time(columns[name]) for name in times})


async def contact(connection: AsyncConnection, user_id: UUID, *, keep: bool = False) -> Contact:
    """What is known of a user; of an unknown one nothing, and nothing is switched off.

    With `keep` he is not erased until the transaction ends: an erasure sees what is written of him meanwhile, or this
    waits for it and knows nothing any more.
    """
    row = await (store.keep if keep else store.find)(connection, user_id)
    return Contact() if row is None else contact_in(row)


async def contacts(connection: AsyncConnection, user_ids: Sequence[UUID]) -> dict[UUID, Contact]:
    """What is known of several users, none of whom is erased until the transaction ends; the unknown are left out."""
    return {row["user_id"]: contact_in(row) for row in await store.keep_many(connection, user_ids)}


def contact_in(row: Mapping[Any, Any]) -> Contact:
    """What a row of preferences says; its times may be texts, as in JSON.

    Quiet hours that cannot be read are none: whoever asks, asks for others too, and for what must go out.
    """
    return Contact(
        name=row["name"] or "",
        email=row["email"],
        is_email_verified=row["email_verified_at"] is not None,
        locale=row["locale"],
        timezone=row["timezone"] if is_zone(row["timezone"]) else "UTC",
        switched_off=frozenset(channel for channel in Channel if not row[f"{channel.name.lower()}_enabled"]),
        overrides=row["category_channels"],
        phone=row["phone"],
        chosen=row["chosen_channels"],
        types=row["type_channels"],
        quiet=_quiet(row),
        digests={category: Frequency[label] for category, label in row["digests"].items()},
        digest_at=_time(row["digest_at"]),
    )


def _time(value: time | str) -> time:
    return read_time(value) if isinstance(value, str) else value


def _quiet(row: Mapping[Any, Any]) -> QuietHours | None:
    if not row["quiet_hours_enabled"]:
        return None
    zone = row["quiet_hours_timezone"] or row["timezone"]
    try:
        start, end, days = _time(row["quiet_hours_start"]), _time(row["quiet_hours_end"]), row["quiet_hours_days"]
        return quiet_hours(zone if is_zone(zone) else "UTC", start, end, days, row["quiet_hours_overrides"])
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        log.warning("preferences.unreadable", user_id=str(row["user_id"]), reason=type(error).__name__)
        return None


def is_zone(name: str) -> bool:
    """Whether this machine knows a zone of that name."""
    try:
        zone_named(name)
    except (LookupError, ValueError, OSError):  # unknown, not a key, a folder of zones
        return False
    return True
