"""What can be done with choices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from orion_core.database import Database, Transaction
from orion_core.errors import invalid_field
from orion_core.tables import IpAddress
from orion_notifications import audit_trail
from orion_notifications.audit_trail import Entry
from orion_notifications.choices import store
from orion_notifications.choices.links import About
from orion_notifications.choices.rules import ConsentSource, is_own_address
from orion_notifications.choices.shapes import REQUIRED, Choices, ChoicesShape, SuppressionShape
from orion_notifications.desk import Desk
from orion_notifications.kinds import ALWAYS_ON, Category, Channel
from orion_notifications.notifications.actions import reconsider
from orion_notifications.notifications.rules import is_erased
from orion_notifications.preferences import actions as preferences
from orion_notifications.preferences.rules import Contact
from orion_notifications.suppressions.actions import hasher_of, release, suppress, suppressions_of
from orion_notifications.suppressions.rules import SuppressionReason


@dataclass(frozen=True)
class Saying:
    """How it was said, and from where."""

    source: ConsentSource
    ip_address: IpAddress | None
    notification_id: UUID | None = None


async def read(database: Database, user_id: UUID) -> ChoicesShape:
    """What a user has chosen, and the defaults where nothing was."""
    async with database.autocommit() as connection:
        return _shown(await preferences.read(connection, user_id))


async def choose(
    database: Database, desk: Desk, user_id: UUID, wanted: Choices, saying: Saying, now: datetime
) -> ChoicesShape:
    """Keep what a user wants from now on, also for what is waiting for him, and write down that he said so."""
    async with database.transaction() as transaction:
        before = _shown(await preferences.read(transaction.connection, user_id, lock=True))
        return await _choose(transaction, desk, user_id, before, _columns(wanted), saying, now)


async def choose_by_link(
    database: Database,
    desk: Desk,
    about: About,
    categories: Mapping[str, Mapping[str, bool]],
    saying: Saying,
    now: datetime,
) -> Contact | None:
    """The same for whoever has the link from a message to a user's own address; None when it is nobody's.

    Channels that are not named stay as they are.
    """
    async with database.transaction() as transaction:
        connection = transaction.connection
        user_id = _owner(await store.message(connection, about.notification_id))
        row = None if user_id is None else await preferences.read(connection, user_id, lock=True)
        if user_id is None or row is None or not is_own_address(about, preferences.contact_in(row)):
            return None
        before = _shown(row)
        merged = {name: {**before.categories.get(name, {}), **ways} for name, ways in categories.items()}
        chosen = {"chosen_channels": before.categories | merged}
        await _choose(transaction, desk, user_id, before, chosen, saying, now)
        return await preferences.contact(connection, user_id)


async def _choose(
    transaction: Transaction,
    desk: Desk,
    user_id: UUID,
    before: ChoicesShape,
    columns: dict[str, Any],
    saying: Saying,
    now: datetime,
) -> ChoicesShape:
    connection = transaction.connection
    await preferences.choose(connection, user_id, columns)
    after = _shown(await preferences.read(connection, user_id))
    await _note(transaction, user_id, before.categories, after.categories, saying, now)
    await reconsider(transaction, desk, user_id, now)
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    changed = [name for name in new if new[name] != old[name]]
    entry = Entry(
        "preferences.update",
        "preferences",
        str(user_id),
        user_id,
        old={name: old[name] for name in changed},
        new={name: new[name] for name in changed},
        is_own=True,
    )
    await audit_trail.record(transaction, entry, now)
    return after


async def unsubscribe(database: Database, desk: Desk, about: About, saying: Saying, now: datetime) -> None:
    """Send the address nothing of the category by the channel any more. To say it again changes nothing.

    Of what nobody can switch off neither does it: the link to all choices stands in such messages, too.
    """
    if about.category in ALWAYS_ON:
        return
    hasher = hasher_of(desk.keyring)
    async with database.transaction() as transaction:
        connection = transaction.connection
        suppressions = await suppressions_of(connection, hasher, about.channel, about.recipient)
        if any(
            suppression.category in (None, about.category) and suppression.expires_at is None
            for suppression in suppressions
        ):
            return
        await suppress(
            connection,
            hasher,
            about.channel,
            about.recipient,
            SuppressionReason.UNSUBSCRIBE,
            category=about.category,
            details={"notification_id": str(about.notification_id)},
        )
        await _say(transaction, desk, about, saying, now, is_given=False)


async def subscribe_again(database: Database, desk: Desk, about: About, saying: Saying, now: datetime) -> None:
    """Take back having unsubscribed; what else stands against the address stays."""
    hasher = hasher_of(desk.keyring)
    async with database.transaction() as transaction:
        connection, mine = transaction.connection, SuppressionReason.UNSUBSCRIBE
        if await release(connection, hasher, about.channel, about.recipient, about.category, reason=mine):
            await _say(transaction, desk, about, saying, now, is_given=True)


async def _say(
    transaction: Transaction, desk: Desk, about: About, saying: Saying, now: datetime, *, is_given: bool
) -> None:
    """Write down what was said by a link; of an erased person, that it was said of the address, and no more."""
    message = await store.message(transaction.connection, about.notification_id, hold=True)
    is_kept, user_id = message is None or not is_erased(message["metadata"]), _owner(message)
    consent = {
        "user_id": user_id,
        "channel": about.channel,
        "category": about.category,
        "recipient_hash": hasher_of(desk.keyring).hashes(about.recipient)[0],
        "is_given": is_given,
        "source": saying.source,
        "notification_id": about.notification_id if is_kept else None,
        "ip_address": saying.ip_address if is_kept else None,
        "occurred_at": now,
    }
    await store.add(transaction.connection, [consent])
    new = {"channel": about.channel.name, "category": about.category.name, "source": saying.source.name}
    action = "consent.give" if is_given else "consent.withdraw"
    await audit_trail.record(transaction, Entry(action, "consent", None, user_id, new=new, is_own=True), now)


async def is_unsubscribed(database: Database, desk: Desk, about: About, now: datetime) -> bool:
    """Whether the address gets nothing of the category."""
    async with database.autocommit() as connection:
        suppressions = await suppressions_of(connection, hasher_of(desk.keyring), about.channel, about.recipient)
    return any(suppression.stops(about.category, about.channel, now) for suppression in suppressions)


async def standing_against(database: Database, desk: Desk, channel: Channel, recipient: str) -> list[SuppressionShape]:
    """What stands against an address."""
    async with database.autocommit() as connection:
        suppressions = await suppressions_of(connection, hasher_of(desk.keyring), channel, recipient)
    return [
        SuppressionShape.model_validate(
            {
                "channel": channel.name,
                "category": suppression.category,
                "reason": suppression.reason.name,
                "expires_at": suppression.expires_at,
            }
        )
        for suppression in suppressions
    ]


async def suppress_by_hand(
    database: Database,
    desk: Desk,
    channel: Channel,
    recipient: str,
    category: Category | None,
    expires_at: datetime | None,
    now: datetime,
) -> None:
    """Have an address written to no more; a 422 Problem when that would be over already."""
    if expires_at is not None and expires_at <= now:
        raise invalid_field("/expires_at", "in_the_past", "it ends at a moment to come, or never")
    async with database.transaction() as transaction:
        await suppress(
            transaction.connection,
            hasher_of(desk.keyring),
            channel,
            recipient,
            SuppressionReason.MANUAL,
            category=category,
            expires_at=expires_at,
        )
        new = {"channel": channel.name, "category": category and category.name}
        await audit_trail.record(transaction, Entry("suppression.create", "suppression", new=new), now)


async def release_by_hand(
    database: Database, desk: Desk, channel: Channel, recipient: str, category: Category | None, now: datetime
) -> bool:
    """Have an address written to again; False when it was not suppressed."""
    async with database.transaction() as transaction:
        found = await release(transaction.connection, hasher_of(desk.keyring), channel, recipient, category)
        if found:
            old = {"channel": channel.name, "category": category and category.name}
            await audit_trail.record(transaction, Entry("suppression.delete", "suppression", old=old), now)
        return found


async def consents(database: Database, desk: Desk, user_id: UUID | None, recipient: str | None) -> Sequence[RowMapping]:
    """What a user or an address has said."""
    hashes = [] if recipient is None else hasher_of(desk.keyring).hashes(recipient)
    async with database.autocommit() as connection:
        return await store.find(connection, user_id, hashes)


async def reader(database: Database, about: About) -> Contact | None:
    """What is known of the user whom a link was sent to at his own address; None when it went to another."""
    async with database.autocommit() as connection:
        user_id = _owner(await store.message(connection, about.notification_id))
        contact = None if user_id is None else await preferences.contact(connection, user_id)
    return contact if contact is not None and is_own_address(about, contact) else None


def _owner(message: RowMapping | None) -> UUID | None:
    return None if message is None or is_erased(message["metadata"]) else message["user_id"]


async def _note(
    transaction: Transaction,
    user_id: UUID,
    before: Mapping[str, Mapping[str, bool]],
    after: Mapping[str, Mapping[str, bool]],
    saying: Saying,
    now: datetime,
) -> None:
    rows = [
        {
            "user_id": user_id,
            "channel": Channel[channel],
            "category": Category[category],
            "recipient_hash": None,
            "is_given": is_wanted,
            "source": saying.source,
            "notification_id": saying.notification_id,
            "ip_address": saying.ip_address,
            "occurred_at": now,
        }
        for category, ways in after.items()
        for channel, is_wanted in ways.items()
        if before.get(category, {}).get(channel) != is_wanted
    ]
    await store.add(transaction.connection, rows)


def _columns(wanted: Choices) -> dict[str, Any]:
    named = {
        "chosen_channels": wanted.categories,
        "type_channels": wanted.types,
        "digests": wanted.digests,
        "digest_at": wanted.digest_at,
        "timezone": wanted.timezone,
        "refuses_tracking": wanted.refuses_tracking,
    }
    columns: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if (quiet := wanted.quiet_hours) is not None:
        columns |= {
            "quiet_hours_enabled": quiet.enabled,
            "quiet_hours_start": quiet.start,
            "quiet_hours_end": quiet.end,
            "quiet_hours_timezone": quiet.timezone,
            "quiet_hours_days": quiet.days,
            "quiet_hours_overrides": quiet.overrides,
        }
    return columns


def _shown(row: Mapping[Any, Any] | None) -> ChoicesShape:
    if row is None:
        row = preferences.NOTHING_CHOSEN
    quiet = None
    if row["quiet_hours_start"] is not None:
        quiet = {
            "enabled": row["quiet_hours_enabled"],
            "start": row["quiet_hours_start"].isoformat("minutes"),
            "end": row["quiet_hours_end"].isoformat("minutes"),
            "timezone": row["quiet_hours_timezone"],
            "days": row["quiet_hours_days"],
            "overrides": row["quiet_hours_overrides"],
        }
    return ChoicesShape(
        channels={channel.name: row[f"{channel.name.lower()}_enabled"] for channel in Channel},
        muted=row["category_channels"],
        categories=row["chosen_channels"],
        types=row["type_channels"],
        required=sorted(REQUIRED),
        quiet_hours=quiet,
        digests=row["digests"],
        digest_at=row["digest_at"].isoformat("minutes"),
        refuses_tracking=row["refuses_tracking"],
        locale=row["locale"],
        timezone=row["timezone"],
    )
