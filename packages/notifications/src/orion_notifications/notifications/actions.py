"""What can be done with notifications."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import RowMapping

from orion_core.database import Database, Transaction
from orion_core.errors import not_found
from orion_core.ids import uuid7
from orion_core.paging import Cursors
from orion_core.sealing import Keyring
from orion_core.wakeup import Wakeup
from orion_notifications import audit_trail
from orion_notifications.audit_trail import Entry
from orion_notifications.delivery.actions import enqueue, seal_secrets
from orion_notifications.kinds import Category, Channel, Priority
from orion_notifications.notifications import store
from orion_notifications.notifications.rules import NotificationStatus
from orion_notifications.preferences.actions import contact as contact_of
from orion_notifications.preferences.rules import Contact, wants
from orion_notifications.templates.actions import PublishedTemplate, UnknownTemplateError, published
from orion_notifications.templates.rules import Content, choose_locale, misfits, secret_names

log = structlog.get_logger()


@dataclass(frozen=True)
class Desk:
    """What queueing needs besides the database: the key for secrets, and whom to wake."""

    keyring: Keyring
    queue: Wakeup


@dataclass(frozen=True)
class Order:
    """A message to one user, or to an address that is nobody's here, from a template. `key` is sent once, for ever."""

    key: str
    type: str
    template: str
    channel: Channel
    user_id: UUID | None
    variables: Mapping[str, Any] = field(repr=False)
    recipient: str | None = None
    """An address that goes before the one the user is known by: one that is still to be verified, say."""
    locale: str | None = None
    """Goes before the user's own language."""
    expires_at: datetime | None = None


class MisfitVariablesError(ValueError):
    """The variables are not those that the template declares."""


async def queue_message(transaction: Transaction, desk: Desk, order: Order, now: datetime) -> UUID:
    """Record a message and have it sent; returns its id, or that of the message which the key already stands for.

    What the user has switched off is recorded as REJECTED and not sent. Raises UnknownTemplateError and
    MisfitVariablesError.
    """
    template = await published(transaction.connection, order.template, order.channel)
    if names := misfits(template.variables, order.variables):
        raise MisfitVariablesError(f"template {order.template}: missing or unknown: {', '.join(sorted(names))}")
    notification_id = uuid7()
    if not await store.take_key(transaction.connection, order.key, notification_id):
        return await store.key_holder(transaction.connection, order.key)
    contact = Contact() if order.user_id is None else await contact_of(transaction.connection, order.user_id)
    wanted = wants(contact, template.category, order.channel)
    values = _record(notification_id, order, template, contact, now) | _secrets(notification_id, order, template, desk)
    await store.add(transaction.connection, values if wanted else values | _switched_off())
    if wanted:
        await enqueue(transaction, desk.queue, notification_id=notification_id, priority=template.priority)
    return notification_id


async def queue_or_log(transaction: Transaction, desk: Desk, order: Order, now: datetime) -> None:
    """Queue a message. A template that an operator has switched off or broken silences itself, not the feed."""
    try:
        await queue_message(transaction, desk, order, now)
    except (UnknownTemplateError, MisfitVariablesError) as error:
        log.error("message.not_queued", type=order.type, user_id=str(order.user_id), reason=str(error))


def _record(
    notification_id: UUID, order: Order, template: PublishedTemplate, contact: Contact, now: datetime
) -> dict[str, Any]:
    recipient = order.recipient or (contact.email if order.channel is Channel.EMAIL else None)
    is_known = contact.is_email_verified and recipient == contact.email
    return {
        "id": notification_id,
        "user_id": order.user_id,
        "type": order.type,
        "category": template.category,
        "channel": order.channel,
        "priority": template.priority,
        "template_id": template.id,
        "template_version": template.version,
        "locale": choose_locale(order.locale or contact.locale, template.locales, template.default_locale),
        "timezone": contact.timezone,
        "recipient": recipient,
        # The name is what somebody typed. An address that may be a stranger's is not sent another person's words.
        "recipient_name": contact.name if is_known else None,
        "idempotency_key": order.key,
        "expires_at": order.expires_at,
        "queued_at": now,
    }


def _secrets(notification_id: UUID, order: Order, template: PublishedTemplate, desk: Desk) -> dict[str, Any]:
    """The variables, those that are secret apart and sealed."""
    secret = secret_names(template.variables)
    sealed = {name: value for name, value in order.variables.items() if name in secret}
    return {
        "variables": {name: value for name, value in order.variables.items() if name not in secret},
        "sealed_variables": seal_secrets(sealed, notification_id, desk.keyring),
    }


def _switched_off() -> dict[str, Any]:
    return {
        "status": NotificationStatus.REJECTED,
        "sealed_variables": None,
        "error_code": "switched_off",
        "error_message": "the user does not want messages of this category by this channel",
    }


@dataclass(frozen=True)
class Listing:
    """Which messages of a user are asked for; `cursor` is that of the page before."""

    user_id: UUID
    channel: Channel | None
    only_unread: bool
    cursor: str | None
    limit: int

    @property
    def name(self) -> str:
        """What its cursors are good for."""
        return f"me/notifications {self.user_id} {self.channel and self.channel.name} {self.only_unread}"


async def list_messages(database: Database, cursors: Cursors, listing: Listing) -> tuple[list[RowMapping], str | None]:
    """What has reached a user, newest first, and the cursor of the next page.

    A 400 Problem when the cursor is not of this listing.
    """
    before = None if listing.cursor is None else cursors.read(listing.name, listing.cursor)[0]
    async with database.autocommit() as connection:
        rows = await store.list_of_user(
            connection,
            listing.user_id,
            channel=listing.channel,
            only_unread=listing.only_unread,
            before=before,
            limit=listing.limit + 1,  # one more tells whether there is a further page
        )
    page = rows[: listing.limit]
    following = cursors.issue(listing.name, [page[-1]["id"]]) if len(rows) > listing.limit else None
    return page, following


async def read_message(database: Database, user_id: UUID, notification_id: UUID) -> RowMapping:
    """One message of a user; a 404 Problem when it is not theirs."""
    async with database.autocommit() as connection:
        return _found(await store.find_of_user(connection, user_id, notification_id))


async def mark_message(
    database: Database, user_id: UUID, notification_id: UUID, *, is_read: bool, now: datetime
) -> RowMapping:
    """Mark one message of a user as read or unread; a 404 Problem when it is not theirs."""
    async with database.transaction() as transaction:
        row = _found(await store.set_read(transaction.connection, user_id, notification_id, now if is_read else None))
        entry = Entry(
            "notification.update", "notification", str(notification_id), user_id, new={"read_at": row["read_at"]}
        )
        await audit_trail.record(transaction, entry, now)
        return row


def _found(row: RowMapping | None) -> RowMapping:
    if row is None:
        raise not_found("notification")
    return row


@dataclass(frozen=True)
class ReadyMade:
    """A message whose words are there already, to whoever asked for it. Nobody's switches are asked."""

    type: str
    channel: Channel
    user_id: UUID
    recipient: str | None
    recipient_name: str | None
    locale: str
    content: Content = field(repr=False)


async def queue_ready_made(transaction: Transaction, queue: Wakeup, message: ReadyMade, now: datetime) -> UUID:
    """Record a message and have it sent soon; returns its id."""
    notification_id = uuid7()
    values = {
        "id": notification_id,
        "user_id": message.user_id,
        "type": message.type,
        "category": Category.TRANSACTIONAL,
        "channel": message.channel,
        "priority": Priority.HIGH,
        "locale": message.locale,
        "recipient": message.recipient,
        "recipient_name": message.recipient_name,
        "subject": message.content.subject,
        "content": message.content.text,
        "html_content": message.content.html,
        "queued_at": now,
    }
    await store.add(transaction.connection, values)
    await enqueue(transaction, queue, notification_id=notification_id, priority=Priority.HIGH)
    return notification_id
