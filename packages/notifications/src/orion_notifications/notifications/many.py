"""Having many messages sent that say the same: what `actions.accept` does of one, in a few statements for all."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from orion_core.database import Transaction
from orion_core.ids import uuid7
from orion_notifications.decisions.rules import Facts, Outcome, judge
from orion_notifications.delivery.actions import enqueue_many
from orion_notifications.delivery.messages import Waiting
from orion_notifications.desk import Desk
from orion_notifications.notifications import store
from orion_notifications.notifications.actions import due_at, record, with_room
from orion_notifications.notifications.orders import Considered, draft_of
from orion_notifications.notifications.rules import Order
from orion_notifications.preferences.actions import contacts
from orion_notifications.preferences.rules import Contact
from orion_notifications.suppressions.actions import hasher_of, suppressions_of_all
from orion_notifications.templates.actions import PublishedTemplate
from orion_notifications.throttles.actions import is_throttled, throttle_of


async def accept_many(
    transaction: Transaction, desk: Desk, template: PublishedTemplate, orders: Sequence[Order], now: datetime
) -> None:
    """Record and queue messages of one template, type and channel; whoever calls knows that their variables fit it.

    Orders have no key: that each is taken once is for the caller to see to, in this transaction.
    """
    considered = await _consider(transaction, desk, template, orders, now)
    rows: list[dict[str, Any]] = []
    waiting: list[Waiting] = []
    for seen in considered:
        notification_id = uuid7()
        each = await with_room(transaction.connection, seen, now)
        when = await due_at(transaction.connection, each, notification_id)
        rows.append(record(notification_id, each, desk, now))
        if each.judgement.outcome in (Outcome.SEND, Outcome.DEFER, Outcome.DIGEST):
            waiting.append(Waiting(notification_id, each.draft.channel, each.draft.priority, when))
    for _, alike in groupby(sorted(rows, key=_columns), key=_columns):
        await store.add_many(transaction.connection, list(alike))
    await enqueue_many(transaction, desk.queue, waiting)


async def _consider(
    transaction: Transaction, desk: Desk, template: PublishedTemplate, orders: Sequence[Order], now: datetime
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
