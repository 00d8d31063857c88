"""What administrators and programs do: send, simulate, explain, cancel, put off, try again."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Database, Transaction
from orion_core.errors import Problem, invalid_field, not_found
from orion_core.paging import Cursors
from orion_notifications import audit_trail
from orion_notifications.audit_trail import Entry
from orion_notifications.decisions.shapes import with_one_more
from orion_notifications.delivery.actions import enqueue, reschedule, withdraw
from orion_notifications.desk import Desk
from orion_notifications.escalations import actions as escalations
from orion_notifications.escalations.rules import DIGESTED
from orion_notifications.kinds import Category, Channel, Priority
from orion_notifications.notifications import store
from orion_notifications.notifications.actions import (
    LONGEST_AHEAD,
    TOO_FAR_AHEAD,
    UNFITTING,
    Accepted,
    MisfitVariablesError,
    TooFarAheadError,
    UnfitValuesError,
    accept,
    check_values,
    consider,
)
from orion_notifications.notifications.rules import NotificationStatus, Order, is_erased
from orion_notifications.notifications.shapes import (
    AttemptShape,
    BulkItem,
    BulkShape,
    ExplanationShape,
    JudgementShape,
    Message,
    Refused,
    SendingShape,
    SentShape,
    SimulatedShape,
    SimulationShape,
)
from orion_notifications.preferences.actions import contact
from orion_notifications.templates.actions import UnknownTemplateError
from orion_notifications.templates.rules import Content

log = structlog.get_logger()

RETRIED = frozenset(
    {NotificationStatus.FAILED, NotificationStatus.BOUNCED, NotificationStatus.EXPIRED, NotificationStatus.CANCELLED}
)


def orders_of(message: Message, caller: str) -> Iterator[Order]:
    """The orders that a request comes to, one for each channel. A key is its caller's."""
    content = message.content
    for label in message.channels:
        channel = Channel[label]
        key = message.idempotency_key
        yield Order(
            key=None if key is None else f"{caller}:{key}:{label}",
            type=message.type,
            template=message.template,
            channel=channel,
            user_id=message.to.user_id,
            variables=message.variables,
            recipient=message.to.of(channel),
            locale=message.locale,
            expires_at=message.expires_at,
            content=None if content is None else Content(content.subject, content.text, content.html),
            category=None if message.category is None else Category[message.category],
            priority=None if message.priority is None else Priority[message.priority],
            scheduled_at=message.scheduled_at,
            local_time=message.at_local,
            ordering_key=None if message.ordering_key is None else f"{caller}:{message.ordering_key}",
            tags=message.tags,
        )


async def send(database: Database, desk: Desk, message: Message, caller: str, now: datetime) -> SendingShape:
    """Take a message; a 422 Problem when it does not fit its template or comes too late."""
    try:
        async with database.transaction() as transaction:
            return await _send(transaction, desk, message, caller, now)
    except UNFITTING as error:
        raise _unfit(error) from None


async def send_many(database: Database, desk: Desk, messages: list[Message], caller: str, now: datetime) -> BulkShape:
    """Take several, each by itself: one that is refused keeps no other from being taken. All that are taken are
    committed together.
    """
    items: list[BulkItem] = []
    async with database.transaction() as transaction:
        for index, message in enumerate(messages):
            try:
                await _check(transaction.connection, desk, orders_of(message, caller), now)
                item = BulkItem(index=index, sent=await _send(transaction, desk, message, caller, now))
            except UNFITTING as error:
                problem = _unfit(error)
                item = BulkItem(index=index, refused=Refused(code=problem.errors[0].code, detail=str(error)))
            items.append(item)
    refused = sum(item.refused is not None for item in items)
    return BulkShape(accepted=len(items) - refused, refused=refused, items=items)


async def _send(transaction: Transaction, desk: Desk, message: Message, caller: str, now: datetime) -> SendingShape:
    orders = list(orders_of(message, caller))
    if message.rule == "ALL" or len(orders) == 1:
        return SendingShape(
            notifications=[_sent(each, await accept(transaction, desk, each, now, must_fit=True)) for each in orders]
        )
    first, *_ = orders
    await _check(transaction.connection, desk, orders, now)
    accepted = await accept(transaction, desk, first, now, must_fit=True)
    escalation_id = None
    if accepted.is_new:
        escalation_id = await escalations.begin(
            transaction.connection, desk.keyring, _at_once(message), caller, accepted.id, now
        )
    return SendingShape(notifications=[_sent(first, accepted)], escalation_id=escalation_id)


async def _check(connection: AsyncConnection, desk: Desk, orders: Iterable[Order], now: datetime) -> None:
    """Find what does not fit before anything is written, by whichever channel; what its key stands for has fitted."""
    for order in orders:
        if order.key is None or await store.find_key(connection, order.key) is None:
            check_values(await consider(connection, desk, order, now))


def _at_once(message: Message) -> dict[str, Any]:
    """The request for the channels that follow: they are not scheduled, for it is their turn."""
    return message.model_copy(update={"scheduled_at": None, "local_time": None}).model_dump(mode="json")


async def send_next(
    desk: Desk, transaction: Transaction, message: Mapping[str, Any], caller: str, channel: str, now: datetime
) -> UUID | None:
    """Send the message of an escalation through one of its channels; None when it cannot be sent any more."""
    orders = orders_of(Message.model_validate(message), caller)
    order = next(each for each in orders if each.channel.name == channel)
    try:
        return (await accept(transaction, desk, order, now)).id
    except UNFITTING as error:
        log.warning("escalation.ended", reason=type(error).__name__)
        return None


async def simulate(database: Database, desk: Desk, message: Message, caller: str, now: datetime) -> SimulationShape:
    """What would become of a message, by the same decisions; nothing is written."""
    simulated: list[SimulatedShape] = []
    try:
        async with database.autocommit() as connection:
            for order in orders_of(message, caller):
                known = None if order.key is None else await store.find_key(connection, order.key)
                judgement = None
                if known is None:
                    considered = await consider(connection, desk, order, now)
                    check_values(considered)
                    judgement = JudgementShape.of(considered.judgement, now, "simulation")
                seen = SimulatedShape(channel=order.channel.name, judgement=judgement, stands_for=known)  # pyright: ignore[reportArgumentType]
                simulated.append(seen)
    except UNFITTING as error:
        raise _unfit(error) from None
    return SimulationShape(simulated=simulated)


async def read(database: Database, notification_id: UUID) -> RowMapping:
    """One message; a 404 Problem when there is none."""
    async with database.autocommit() as connection:
        return await _found(connection, notification_id)


@dataclass(frozen=True)
class Search:
    """Which messages are looked for; what is None does not matter."""

    filters: Mapping[str, Any]
    cursor: str | None
    limit: int

    @property
    def name(self) -> str:
        """What its cursors are good for."""
        return "notifications " + " ".join(f"{name}={value}" for name, value in sorted(self.filters.items()))


async def search(database: Database, cursors: Cursors, wanted: Search) -> tuple[list[RowMapping], str | None]:
    """Messages, newest first, and the cursor of the next page, which follows also one that is not full (`WALKED`)."""
    before = None if wanted.cursor is None else cursors.read(wanted.name, wanted.cursor)[0]
    async with database.autocommit() as connection:
        rows, reached = await store.search(connection, wanted.filters, before, wanted.limit + 1)
    page = rows[: wanted.limit]
    after = page[-1]["id"] if len(rows) > wanted.limit else reached
    return page, after and cursors.issue(wanted.name, [after])


async def explain(database: Database, notification_id: UUID) -> ExplanationShape:
    """What was decided of a message when, and what came of each try."""
    async with database.autocommit() as connection:
        row = await _found(connection, notification_id)
        attempts = await store.attempts(connection, notification_id)
    return ExplanationShape(
        id=notification_id,
        status=row["status"],
        error_code=row["error_code"],
        error_message=row["error_message"],
        next_attempt_at=row["next_attempt_at"],
        judgements=[JudgementShape.read(each) for each in _decided(row)],
        attempts=[AttemptShape.model_validate(dict(each)) for each in attempts],
    )


async def cancel(database: Database, notification_id: UUID, now: datetime) -> RowMapping:
    """Take a message back that has not left; a 409 Problem when it is too late."""
    async with database.transaction() as transaction:
        row = await _found(transaction.connection, notification_id)
        if not await withdraw(transaction, notification_id):
            raise _too_late(row, "cancelled")
        changes = {"status": NotificationStatus.CANCELLED, "cancelled_at": now, "sealed_variables": None}
        changed = await store.change(
            transaction.connection, notification_id, changes | {"next_attempt_at": None, "error_code": "cancelled"}
        )
        await _audit(transaction, "notification.cancel", row, {"status": "CANCELLED"}, now)
        return changed


async def put_off(database: Database, desk: Desk, notification_id: UUID, at: datetime, now: datetime) -> RowMapping:
    """Have a message sent at another time, if it has not left; a 409 Problem when it is too late.

    Quiet hours and all else are looked at again when it is about to leave.
    """
    async with database.transaction() as transaction:
        row = await _found(transaction.connection, notification_id)
        if at > now + LONGEST_AHEAD:
            raise invalid_field("/scheduled_at", "too_far_ahead", TOO_FAR_AHEAD)
        if row["expires_at"] is not None and at >= row["expires_at"]:
            raise invalid_field("/scheduled_at", "expires_before", f"It expires at {row['expires_at'].isoformat()}.")
        if not await reschedule(transaction, notification_id, max(at, now)):
            raise _too_late(row, "rescheduled")
        said = {"at": now.isoformat(), "by": "operator", "outcome": "DEFER", "until": at.isoformat()}
        step = ["schedule", "defer", "scheduled", {"at": at.isoformat()}]
        changes: dict[str, Any] = {
            "scheduled_at": at,
            "local_time": None,
            "next_attempt_at": at,
            "deferred_reason": f"It was asked for at {at.isoformat()}.",
            "decisions": with_one_more(row["decisions"], {**said, "steps": [step]}),
        }
        changed = await store.change(transaction.connection, notification_id, changes)
        await _audit(transaction, "notification.reschedule", row, {"scheduled_at": at.isoformat()}, now)
        transaction.after_commit(desk.queue.ring)
        return changed


async def retry(database: Database, desk: Desk, notification_id: UUID, now: datetime) -> RowMapping:
    """Send a message again that was given up: as a new one, since the record of the old one is final.

    A 409 Problem when it was not given up, or when it cannot be repeated because its secrets or its words are gone.
    """
    async with database.transaction() as transaction:
        row = await _found(transaction.connection, notification_id)
        if row["user_id"] is not None:  # who may be being erased just now, and is not from here to the end
            await contact(transaction.connection, row["user_id"], keep=True)
            row = await _found(transaction.connection, notification_id)
        if row["status"] not in RETRIED:
            ended = "only what has failed, came back, expired or was cancelled can be sent again"
            detail = f"It is {row['status'].name}; {ended}."
            raise Problem(409, "not_given_up", "Not given up", detail)
        if row["error_code"] == DIGESTED:
            detail = "It was told of in a digest, which would tell it twice; see its error_message for which."
            raise Problem(409, "digested", "Told already", detail)
        if is_erased(row["metadata"]):
            raise Problem(409, "erased", "Erased", "It was to somebody who was erased, and so were its words.")
        if row["holds_secrets"]:
            detail = "It held a secret (a code, a link), which is forgotten when a message ends; ask for a new one."
            raise Problem(409, "secrets_gone", "Cannot be repeated", detail)
        if not await store.take_key(transaction.connection, f"retry:{notification_id}", notification_id):
            detail = "It was sent again before: see to the message that it became."
            raise Problem(409, "repeated", "Sent again already", detail)
        fresh = await store.repeat(transaction.connection, notification_id, now)
        await enqueue(transaction, desk.queue, notification_id=fresh["id"], priority=fresh["priority"], due_at=None)
        await _audit(transaction, "notification.retry", row, {"repeated_as": str(fresh["id"])}, now)
        return fresh


def _decided(row: RowMapping) -> list[dict[str, Any]]:
    decisions: list[dict[str, Any]] | None = row["decisions"]
    return decisions or []


def _sent(order: Order, accepted: Accepted) -> SentShape:
    judgement = None if accepted.considered is None else accepted.considered.judgement
    is_held = judgement is not None and judgement.outcome.name != "SEND"
    return SentShape(
        id=accepted.id,
        channel=order.channel.name,  # pyright: ignore[reportArgumentType]
        is_new=accepted.is_new,
        outcome=judgement and judgement.outcome.name,  # pyright: ignore[reportArgumentType]
        until=judgement and judgement.until,
        code=judgement.decisive.code if judgement is not None and is_held else None,
    )


def _unfit(error: Exception) -> Problem:
    match error:
        case UnknownTemplateError():
            return invalid_field("/template", "unknown_template", str(error))
        case UnfitValuesError():
            detail = f"{len(error.faults)} of the variables do not fit the template; see errors."
            return Problem(422, "invalid_fields", "Invalid fields", detail, errors=error.faults)
        case MisfitVariablesError():
            return invalid_field("/variables", "misfit_variables", str(error))
        case TooFarAheadError():
            return invalid_field("/scheduled_at", "too_far_ahead", str(error))
        case _:
            return invalid_field("/expires_at", "expired", str(error))


def _too_late(row: RowMapping, what: str) -> Problem:
    detail = f"It is {row['status'].name}, or a worker has it in hand: it can no longer be {what}."
    return Problem(409, "too_late", "Too late", detail)


async def _found(connection: AsyncConnection, notification_id: UUID) -> RowMapping:
    row = await store.find(connection, notification_id)
    if row is None:
        raise not_found("notification")
    return row


async def _audit(transaction: Transaction, action: str, row: RowMapping, new: Mapping[str, Any], now: datetime) -> None:
    entry = Entry(action, "notification", str(row["id"]), row["user_id"], old={"status": row["status"].name}, new=new)
    await audit_trail.record(transaction, entry, now)
