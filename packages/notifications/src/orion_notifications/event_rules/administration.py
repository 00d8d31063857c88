"""What administrators do with rules, written down in the audit trail; and what an event would come to."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.event import Event
from orion_core.database import Database, Transaction
from orion_core.errors import FieldError, Problem, not_found
from orion_core.faults import code_and_sentence
from orion_core.ids import uuid7
from orion_notifications import audit_trail
from orion_notifications.audit_trail import Entry
from orion_notifications.desk import Desk
from orion_notifications.event_rules import checks, store
from orion_notifications.event_rules.actions import contact_for
from orion_notifications.event_rules.facts import EVENTS, OF_CONTACT, SECRETS, heard
from orion_notifications.event_rules.rules import Heard, Rule, RuleFailedError
from orion_notifications.event_rules.shapes import SimulatedMessage, SimulatedRule, SimulatedRules
from orion_notifications.kinds import Category, Channel, ChannelRule, Priority
from orion_notifications.notifications.actions import UNFITTING, check_values, consider
from orion_notifications.notifications.rules import Order
from orion_notifications.notifications.shapes import JudgementShape
from orion_notifications.product import Product
from orion_notifications.templates.actions import UnknownTemplateError, published
from orion_notifications.templates.rules import MASK, misfits

MOST_RULES = 50
"""For events of one type: each is looked at whenever one comes."""
MENDED: Mapping[str, Any] = {"failures": 0, "last_error": None, "last_error_at": None}
TOLD = ("name", "event_type", "condition", "type", "template", "user_fact", "address", "once_per", "is_active")
"""What the audit trail tells of a rule, besides its channels and variables."""


async def page(
    database: Database, event_type: str | None, after: Sequence[Any] | None, limit: int
) -> Sequence[RowMapping]:
    """Rules by name."""
    async with database.autocommit() as connection:
        return await store.page(connection, event_type, None if after is None else after[0], limit)


async def read(database: Database, rule_id: UUID) -> RowMapping:
    """One rule; 404 for none."""
    async with database.autocommit() as connection:
        return await _found(connection, rule_id)


async def create(database: Database, values: Mapping[str, Any], now: datetime) -> RowMapping:
    """Make a rule; 422 when it could never be followed, 409 when its name is taken."""
    typed: dict[str, Any] = {"id": uuid7(), "is_system": False, "opened_variables": {}, **_typed(values)}
    async with database.transaction() as transaction:
        await _check(transaction.connection, Rule.read(typed))
        others = await store.of_event(transaction.connection, typed["event_type"])
        if sum(not row["is_system"] for row in others) >= MOST_RULES:
            detail = f"There are {MOST_RULES} rules for this event, and each is looked at whenever one comes."
            raise Problem(409, "too_many_rules", "Too many rules", detail)
        try:
            row = await store.add(transaction.connection, typed)
        except IntegrityError as error:
            if "uq_notification_rules_name" not in str(error.orig):
                raise
            detail = f"There is a rule {typed['name']!r}. Nothing was changed; choose another name."
            raise Problem(409, "name_taken", "Name taken", detail) from None
        await _tell(transaction, "notification_rule.create", row, {}, _told(row), now)
        return row


async def change(
    database: Database,
    rule_id: UUID,
    values: Mapping[str, Any],
    require_match: Callable[[RowMapping], None],
    now: datetime,
) -> RowMapping:
    """Change a rule, whose failures are forgotten by that; 422 when it could never be followed."""
    async with database.transaction() as transaction:
        connection = transaction.connection
        before = await _found(connection, rule_id, lock=True)
        require_match(before)
        if before["is_system"]:
            is_security = bool(before["opened_variables"]) or await _is_security(connection, Rule.read(before))
            if (refused := checks.refused_of_ours(values, is_security=is_security)) is not None:
                raise _unfit([refused])
        typed = _typed(values)
        after = Rule.read({**before, **typed})
        if not after.is_system:
            await _check(connection, after)
        row = await store.change(connection, rule_id, {**typed, **MENDED})
        await _tell(transaction, "notification_rule.update", row, _told(before), _told(row), now)
        return row


async def remove(database: Database, rule_id: UUID, now: datetime) -> None:
    """Put a rule away; 404 for none, 409 for one that Orion is delivered with."""
    async with database.transaction() as transaction:
        row = await _found(transaction.connection, rule_id, lock=True)
        if row["is_system"]:
            detail = "Orion is delivered with this rule: its events would wait for it. Switch it off, if it lets you."
            raise Problem(409, "rule_protected", "Rule protected", detail)
        await store.change(transaction.connection, rule_id, {"deleted_at": now})
        await _tell(transaction, "notification_rule.delete", row, _told(row), {}, now)


async def simulate(
    database: Database, desk: Desk, product: Product, event_type: str, data: Mapping[str, Any], now: datetime
) -> SimulatedRules:
    """What each rule would make of an event, by the same functions; nothing is written. 422 for what is no event."""
    event = _event(event_type, data)
    secrets: dict[str, str | None] = dict.fromkeys(SECRETS.get(event_type, ()), MASK)
    async with database.autocommit() as connection:
        rows = await store.of_event(connection, event_type)
        rules = [Rule.read(row) for row in rows]
        told = heard(event, secrets, product, await contact_for(connection, rules, event), now)
        simulated = [
            await _simulated(connection, desk, rule, told, now, is_active=row["is_active"])
            for rule, row in zip(rules, rows, strict=True)
        ]
    return SimulatedRules(rules=simulated)


async def _simulated(
    connection: AsyncConnection, desk: Desk, rule: Rule, told: Heard, now: datetime, *, is_active: bool
) -> SimulatedRule:
    def shown(outcome: Any, reason: str | None = None, messages: Sequence[SimulatedMessage] = ()) -> SimulatedRule:
        return SimulatedRule(
            id=rule.id, name=rule.name, is_active=is_active, outcome=outcome, reason=reason, messages=list(messages)
        )

    try:
        if not rule.applies(told, now):
            return shown("DOES_NOT_APPLY")
        messages = [await _message(connection, desk, rule, order, now) for order in rule.orders(told)]
    except (RuleFailedError, *UNFITTING) as error:
        return shown("FAILS", str(error))
    return shown("APPLIES", messages=messages)


async def _message(
    connection: AsyncConnection, desk: Desk, rule: Rule, order: Order, now: datetime
) -> SimulatedMessage:
    considered = await consider(connection, desk, order, now)
    if not rule.is_system:
        check_values(considered)
    kept = {name for name, source in rule.variables.items() if source.fact not in OF_CONTACT}
    return SimulatedMessage(
        channel=order.channel.name,  # pyright: ignore[reportArgumentType]
        template=rule.template,
        variables={name: value for name, value in order.variables.items() if name in kept},
        judgement=JudgementShape.of(considered.judgement, now, "simulation"),
    )


def _event(event_type: str, data: Mapping[str, Any]) -> Event:
    contract = EVENTS.get(event_type)
    if contract is None:
        detail = "No rules are kept for this event; GET /notifications/v1/rules/events lists those that there are."
        raise _unfit([FieldError(field="/event_type", code="unknown_event_type", detail=detail)])
    try:
        return contract.read({**data, "secrets": "-"} if event_type in SECRETS else data)
    except ValidationError as error:
        raise _unfit(
            [
                FieldError(field="/data" + "".join(f"/{step}" for step in each["loc"]), code=code, detail=detail)
                for each in error.errors(include_url=False, include_input=False)[:20]
                for code, detail in (code_and_sentence(each),)
            ]
        ) from None


async def _check(connection: AsyncConnection, rule: Rule) -> None:
    found = checks.faults(rule)
    if found:
        raise _unfit(found)
    for channel in rule.channels:
        try:
            template = await published(connection, rule.template, channel)
        except UnknownTemplateError as error:
            found.append(FieldError(field="/template", code="unknown_template", detail=str(error)))
        else:
            missing = misfits(template.variables, rule.variables)
            found += checks.template_faults(rule, template.category.name, missing)
    if found:
        raise _unfit(list(dict.fromkeys(found)))


async def _is_security(connection: AsyncConnection, rule: Rule) -> bool:
    try:
        return (await published(connection, rule.template, rule.channels[0])).category is Category.SECURITY
    except UnknownTemplateError:
        return False


def _unfit(errors: Sequence[FieldError]) -> Problem:
    detail = f"{len(errors)} fields of the rule are wrong; see errors. Nothing was changed."
    return Problem(422, "invalid_fields", "Invalid fields", detail, errors=errors)


async def _found(connection: AsyncConnection, rule_id: UUID, *, lock: bool = False) -> RowMapping:
    row = await store.find(connection, rule_id, lock=lock)
    if row is None:
        raise not_found("rule")
    return row


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a request as columns have them."""
    typed = dict(values)
    if "channels" in typed:
        typed["channels"] = [Channel[each] for each in typed["channels"]]
    if "channel_rule" in typed:
        typed["channel_rule"] = ChannelRule[typed["channel_rule"]]
    if typed.get("priority") is not None:
        typed["priority"] = Priority[typed["priority"]]
    return typed


def _told(row: Mapping[Any, Any]) -> dict[str, Any]:
    told = {name: row[name] for name in TOLD}
    return told | {"channels": [channel.name for channel in row["channels"]], "variables": sorted(row["variables"])}


async def _tell(
    transaction: Transaction,
    action: str,
    row: Mapping[Any, Any],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    now: datetime,
) -> None:
    entry = Entry(action, "notification_rule", str(row["id"]), old=old, new=new)
    await audit_trail.record(transaction, entry, now)
