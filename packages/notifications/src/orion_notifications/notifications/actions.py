"""Having messages sent: considered, decided, recorded and queued in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Transaction
from orion_core.errors import FieldError
from orion_core.ids import uuid7
from orion_notifications.decisions.rules import Draft, Facts, Outcome, judge
from orion_notifications.decisions.shapes import kept, with_one_more
from orion_notifications.delivery.actions import enqueue, enqueue_many, reschedule, seal_secrets, withdraw
from orion_notifications.delivery.rules import Waiting
from orion_notifications.desk import Desk
from orion_notifications.digests.actions import GOES_ALONE_AFTER, put_into_digest
from orion_notifications.kinds import Channel
from orion_notifications.notifications import store
from orion_notifications.notifications.orders import Considered, draft_of, standing, value_faults, without_secrets
from orion_notifications.notifications.rules import Order
from orion_notifications.preferences.actions import contact as contact_of
from orion_notifications.preferences.actions import contacts
from orion_notifications.preferences.rules import Contact
from orion_notifications.suppressions.actions import hasher_of, suppressions_of, suppressions_of_all
from orion_notifications.suppressions.rules import Suppression
from orion_notifications.templates.actions import PublishedTemplate, UnknownTemplateError, published
from orion_notifications.templates.rules import misfits, secret_names
from orion_notifications.throttles.actions import is_throttled, take_room, throttle_of

LONGEST_AHEAD = timedelta(days=366)
"""A month of messages is dropped when none of them waits: one for the year 9999 would keep its own for ever."""
TOO_FAR_AHEAD = "it is to be sent within a year"
MOST_RACES = 100
"""Others may take the last room of a throttle between looking and taking; then it is decided anew."""


class MisfitVariablesError(ValueError):
    """The variables are not those that the template declares."""


class ExpiredOrderError(ValueError):
    """It was to be sent by a moment that is over."""


class TooFarAheadError(ValueError):
    """It is to be sent at a moment that is too far away."""


UNFIT = (UnknownTemplateError, MisfitVariablesError, ExpiredOrderError, TooFarAheadError)
"""Why an order is not taken."""


class UnfitValuesError(ValueError):
    """Values of variables that do not fit the template's schema.

    Whoever can mend it is told: who asks over HTTP, who writes rules. What auth and user have sent by Orion's own rules
    goes out as it is, since a schema that is too strict must not keep back the reset of a password.
    """

    def __init__(self, faults: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.detail}" for fault in faults))
        self.faults = faults


UNFITTING = (*UNFIT, UnfitValuesError)
"""The same, of orders whose values are looked at too."""


@dataclass(frozen=True)
class Accepted:
    """The message that an order has become, now or under its key before."""

    id: UUID
    is_new: bool
    considered: Considered | None = None
    """Of a new one."""


async def consider(
    connection: AsyncConnection, desk: Desk, order: Order, now: datetime, *, keep: bool = False
) -> Considered:
    """What would become of an order, and why; changes nothing. With `keep` its user is not erased until the end.

    Raises what is UNFIT.
    """
    if order.scheduled_at is not None and order.scheduled_at > now + LONGEST_AHEAD:
        raise TooFarAheadError(TOO_FAR_AHEAD)
    if order.expires_at is not None and order.expires_at <= now:
        raise ExpiredOrderError(f"it was to be sent before {order.expires_at.isoformat()}")
    template = None if order.template is None else await published(connection, order.template, order.channel)
    if template is not None and (names := misfits(template.variables, order.variables)):
        raise MisfitVariablesError(f"template {order.template}: missing or unknown: {', '.join(sorted(names))}")
    if template is not None and (names := order.secrets - secret_names(template.variables)):
        raise MisfitVariablesError(f"template {order.template} does not keep secret: {', '.join(sorted(names))}")
    contact = Contact() if order.user_id is None else await contact_of(connection, order.user_id, keep=keep)
    draft = draft_of(order, template, contact)
    suppressions: Sequence[Suppression] = ()
    if draft.recipient is not None:
        suppressions = await suppressions_of(connection, hasher_of(desk.keyring), draft.channel, draft.recipient)
    throttle = None
    if order.user_id is not None:
        throttle = await throttle_of(connection, order.user_id, order.type, order.channel, now)
    facts = Facts(contact, suppressions, throttle)
    return Considered(order, template, contact, draft, facts, judge(draft, facts, now))


async def accept(
    transaction: Transaction, desk: Desk, order: Order, now: datetime, *, must_fit: bool = False
) -> Accepted:
    """Record a message and have it sent when it may; the message of the same key, if there is one.

    What its user does not want, or what must not be written to, is recorded as REJECTED. Raises what `consider` does,
    and, where it `must_fit`, UnfitValuesError; before anything is written.
    """
    connection = transaction.connection
    try:
        considered = await consider(connection, desk, order, now, keep=True)
        if must_fit:
            check_values(considered)
    except UNFITTING:
        known = None if order.key is None else await store.find_key(connection, order.key)
        if known is None:
            raise
        return Accepted(known, is_new=False)  # what it was then is what its key stands for
    notification_id = uuid7()
    if order.key is not None and not await store.take_key(connection, order.key, notification_id):
        return Accepted(await store.key_holder(connection, order.key), is_new=False)
    considered = await _with_room(connection, considered, now)
    when = await _due_at(connection, considered, notification_id)
    await store.add(connection, _record(notification_id, considered, desk, now))
    outcome = considered.judgement.outcome
    if outcome in (Outcome.SEND, Outcome.DEFER, Outcome.DIGEST):
        await enqueue(
            transaction,
            desk.queue,
            notification_id=notification_id,
            priority=considered.draft.priority,
            due_at=when,
            # What is told of in a digest, next Monday perhaps, holds up none of its key.
            ordering_key=None if outcome is Outcome.DIGEST else order.ordering_key,
        )
    return Accepted(notification_id, is_new=True, considered=considered)


def check_values(considered: Considered) -> None:
    """Raise UnfitValuesError when values of variables do not fit their template."""
    template = considered.template
    if template is not None and (faults := value_faults(considered.order, template)):
        raise UnfitValuesError(faults)


async def accept_many(
    transaction: Transaction, desk: Desk, template: PublishedTemplate | None, orders: Sequence[Order], now: datetime
) -> None:
    """Record and queue messages of one type and channel, of one template or each with its own words.

    Whoever calls knows that their variables fit the template.

    Orders have no key: that each is taken once is for the caller to see to, in this transaction.
    """
    considered = await _consider_all(transaction, desk, template, orders, now)
    rows: list[dict[str, Any]] = []
    waiting: list[Waiting] = []
    for seen in considered:
        notification_id = uuid7()
        each = await _with_room(transaction.connection, seen, now)
        when = await _due_at(transaction.connection, each, notification_id)
        rows.append(_record(notification_id, each, desk, now))
        if each.judgement.outcome in (Outcome.SEND, Outcome.DEFER, Outcome.DIGEST):
            waiting.append(Waiting(notification_id, each.draft.channel, each.draft.priority, when))
    for _, alike in groupby(sorted(rows, key=_columns), key=_columns):
        await store.add_many(transaction.connection, list(alike))
    await enqueue_many(transaction, desk.queue, waiting)


async def _consider_all(
    transaction: Transaction, desk: Desk, template: PublishedTemplate | None, orders: Sequence[Order], now: datetime
) -> list[Considered]:
    connection, first = transaction.connection, orders[0]
    known = await contacts(connection, [order.user_id for order in orders if order.user_id is not None])
    drafts = [draft_of(order, template, _contact(known, order)) for order in orders]
    recipients = {draft.recipient for draft in drafts if draft.recipient is not None}
    suppressions = await suppressions_of_all(connection, hasher_of(desk.keyring), first.channel, recipients)
    throttled = await is_throttled(connection, first.type, first.channel)
    found: list[Considered] = []
    for order, draft in zip(orders, drafts, strict=True):
        throttle = None
        if throttled and order.user_id is not None:
            throttle = await throttle_of(connection, order.user_id, order.type, order.channel, now)
        facts = Facts(_contact(known, order), suppressions.get(draft.recipient or "", ()), throttle)
        found.append(Considered(order, template, facts.contact, draft, facts, judge(draft, facts, now)))
    return found


def _contact(known: Mapping[UUID, Contact], order: Order) -> Contact:
    found = None if order.user_id is None else known.get(order.user_id)
    return found or Contact()


def _columns(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(row))


async def _due_at(connection: AsyncConnection, considered: Considered, notification_id: UUID) -> datetime | None:
    """When a worker is to see to it. One that is a digest's is not to be seen by any, unless no digest takes it."""
    judgement, user_id = considered.judgement, considered.order.user_id
    if judgement.outcome is not Outcome.DIGEST or judgement.until is None or user_id is None:
        return judgement.until
    is_in = await put_into_digest(connection, user_id, judgement.until, notification_id)
    return judgement.until + GOES_ALONE_AFTER if is_in else judgement.until


async def _with_room(connection: AsyncConnection, considered: Considered, now: datetime) -> Considered:
    """The same, with its room taken in a window of the throttle, if there is one."""
    order = considered.order
    for _ in range(MOST_RACES):
        begins_at, throttle = considered.judgement.throttled_in, considered.facts.throttle
        if begins_at is None or throttle is None or order.user_id is None:
            break
        if await take_room(connection, throttle, order.user_id, begins_at):
            break
        seen = await throttle_of(connection, order.user_id, order.type, order.channel, now)
        facts = replace(considered.facts, throttle=seen)
        considered = replace(considered, facts=facts, judgement=judge(considered.draft, facts, now))
    return considered


async def queue_message(transaction: Transaction, desk: Desk, order: Order, now: datetime) -> UUID:
    """`accept`, for whoever needs no more than the id."""
    return (await accept(transaction, desk, order, now)).id


def _record(notification_id: UUID, considered: Considered, desk: Desk, now: datetime) -> dict[str, Any]:
    order, draft, contact, template = considered.order, considered.draft, considered.contact, considered.template
    is_known = contact.is_email_verified and draft.recipient == contact.email
    plain, secret = without_secrets(order, template)
    words: dict[str, Any] = {}
    if order.content is not None:
        words = {
            "subject": order.content.subject,
            "content": order.content.text,
            "html_content": order.content.html,
            "locale": order.locale or contact.locale,
        }
    elif template is not None and draft.wording is not None:
        words = {
            "template_id": template.id,
            "template_version": template.version,
            "locale": draft.wording.locale,
        }
    return {
        "id": notification_id,
        "user_id": order.user_id,
        "type": order.type,
        "category": draft.category,
        "channel": order.channel,
        "priority": draft.priority,
        "timezone": contact.timezone,
        "recipient": draft.recipient,
        # The name is what somebody typed. An address that may be a stranger's is not sent another person's words.
        "recipient_name": contact.name if is_known else None,
        "variables": plain,
        "sealed_variables": seal_secrets(secret, notification_id, desk.keyring),
        "idempotency_key": order.key,
        "scheduled_at": order.scheduled_at,
        "local_time": order.local_time,
        "expires_at": order.expires_at,
        "tags": list(order.tags),
        "batch_id": order.batch_id,
        "metadata": dict(order.metadata),
        "queued_at": now,
        "decisions": [kept(considered.judgement, now, "acceptance")],
        **words,
        **standing(considered.judgement),
    }


async def reconsider(transaction: Transaction, desk: Desk, user_id: UUID, now: datetime) -> None:
    """Have everything that was put off go when it may by now, or not at all; what a worker has in hand is the worker's.

    A message that was asked for at a local time goes at that time of the zone that is the user's now, or at once where
    that is over. One that waits for room in a window of a throttle has its room there and does not come before; one
    that waits for its next try is not looked at before that.
    """
    rows = await store.deferred_of(transaction.connection, user_id)
    if not rows:
        return
    contact = await contact_of(transaction.connection, user_id)
    for row in rows:
        facts = Facts(contact, attempts=row["attempts"], max_attempts=row["max_attempts"], is_accepted=True)
        judgement = judge(_draft_in(row), facts, now)
        decisions = with_one_more(row["decisions"], kept(judgement, now, "preferences"))
        values: dict[str, Any] = {"decisions": decisions, **standing(judgement)}
        if judgement.outcome in (Outcome.SEND, Outcome.DEFER):
            if not await reschedule(transaction, row["id"], judgement.until or now):
                continue
            if judgement.outcome is Outcome.SEND:
                values |= {"next_attempt_at": None, "deferred_reason": None}
        elif not await withdraw(transaction, row["id"]):
            continue
        else:
            values["failed_at"] = now
        await store.change(transaction.connection, row["id"], values)
    transaction.after_commit(desk.queue.ring)


async def readdress(
    transaction: Transaction, user_id: UUID, channel: Channel, previous: str | None, address: str | None
) -> None:
    """Have what was put off go to where its user is reached now: the old address may be somebody else's by then.

    Where he is reached nowhere, a worker ends it when its time has come; until then it may get an address again.
    """
    values = {"user_id": user_id, "channel": channel.name, "previous": previous, "address": address}
    await store.readdress(transaction.connection, values)


def _draft_in(row: RowMapping) -> Draft:
    queued_at, scheduled_at = row["queued_at"], row["scheduled_at"]
    return Draft(
        type=row["type"],
        category=row["category"],
        channel=row["channel"],
        priority=row["priority"],
        recipient=row["recipient"],
        scheduled_at=_not_before(row),
        local_time=row["local_time"],
        local_after=queued_at if scheduled_at is None else max(queued_at, scheduled_at),
        expires_at=row["expires_at"],
    )


def _not_before(row: RowMapping) -> datetime | None:
    """When it was asked for, or when there is room for it."""
    decisions: list[dict[str, Any]] = row["decisions"] or []
    rooms = [
        datetime.fromisoformat(step[3]["until"])
        for judgement in decisions
        for step in judgement["steps"]
        if step[0] == "throttle" and step[1] == "defer"
    ]
    asked_for: list[datetime] = [] if row["scheduled_at"] is None else [row["scheduled_at"]]
    return max([*rooms, *asked_for], default=None)
