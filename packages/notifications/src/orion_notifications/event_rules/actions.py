"""Following the rules: what is sent when an event is heard, in the transaction that applies the event.

A rule that cannot be followed stops neither the feed nor the other rules: it is written down at the rule, counted and
logged. Rules that Orion is delivered with and that are not there yet (the database was not seeded since the update) do
stop the feed, for a verification mail that comes late is better than none.
"""

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.event import Event
from orion_core.database import Transaction
from orion_core.metrics import RULES_FAILED
from orion_notifications.desk import Desk
from orion_notifications.escalations import actions as escalations
from orion_notifications.event_rules import store
from orion_notifications.event_rules.delivered import names_by_event
from orion_notifications.event_rules.facts import OF_CONTACT, heard
from orion_notifications.event_rules.rules import Heard, Rule, RuleFailedError, request
from orion_notifications.kinds import ChannelRule
from orion_notifications.notifications.actions import UNFITTING, ExpiredOrderError, accept
from orion_notifications.preferences.actions import contact as contact_of
from orion_notifications.preferences.rules import Contact
from orion_notifications.product import Product

NO_SECRETS: Mapping[str, str | None] = {}
LONGEST_ERROR = 500
AWAITED = names_by_event()
FAULTS = (RuleFailedError, *UNFITTING)
"""Why a rule cannot be followed, in words that quote nothing of the event."""
OF_VALUES = ("22", "23")
"""SQLSTATE classes: data exception, integrity constraint violation. All others pass, or are no rule's fault."""

log = structlog.get_logger()


class RulesMissingError(LookupError):
    """Rules that Orion is delivered with are not in the database; its events wait for them."""


@dataclass
class Rulebook:
    """The rules as they are in the transaction at hand: read there once for each type of event, so never old."""

    desk: Desk
    product: Product
    _read_in: weakref.ref[Transaction] | None = field(default=None, repr=False)
    _read: dict[str, Sequence[Rule]] = field(default_factory=dict[str, Sequence[Rule]], repr=False)
    _parsed: dict[UUID, tuple[Mapping[str, Any], Rule]] = field(
        default_factory=dict[UUID, tuple[Mapping[str, Any], Rule]], repr=False
    )
    """What rows came to when they were last read; good for a row that is the same."""

    async def tell(
        self, transaction: Transaction, event: Event, now: datetime, secrets: Mapping[str, str | None] = NO_SECRETS
    ) -> int:
        """Have sent what follows from an event; returns how many rules applied. Raises RulesMissingError."""
        rules = await self._rules(transaction, event.type)
        if not rules:
            return 0
        contact = await contact_for(transaction.connection, rules, event)
        told = heard(event, secrets, self.product, contact, now)
        return sum([await self._follow(transaction, rule, told, now) for rule in rules])

    async def _rules(self, transaction: Transaction, event_type: str) -> Sequence[Rule]:
        if self._read_in is None or self._read_in() is not transaction:
            self._read_in, self._read = weakref.ref(transaction), {}
        if event_type not in self._read:
            rows = await store.of_event(transaction.connection, event_type)
            missing = AWAITED.get(event_type, frozenset()) - {row["name"] for row in rows}
            if missing:
                names = ", ".join(sorted(missing))
                raise RulesMissingError(f"there is no rule {names}: seed the database (orion db seed notifications)")
            self._read[event_type] = [self._rule(row) for row in rows if row["is_active"]]
        return self._read[event_type]

    def _rule(self, row: Mapping[str, Any]) -> Rule:
        known = self._parsed.get(row["id"])
        if known is None or known[0] != row:
            known = self._parsed[row["id"]] = row, Rule.read(row)
        return known[1]

    async def _follow(self, transaction: Transaction, rule: Rule, told: Heard, now: datetime) -> bool:
        try:
            if not rule.applies(told, now):
                return False
            if rule.is_system:
                for order in rule.orders(told):
                    await accept(transaction, self.desk, order, now)
            else:
                # Whatever somebody has written into it: a value that no column takes must not stop the feed.
                async with transaction.connection.begin_nested():
                    await self._send(transaction, rule, told, now)
        except ExpiredOrderError:
            log.warning("rule.too_late", rule=rule.name, type=told.type)
        except FAULTS as error:
            await _failed(transaction, rule, str(error), now)
        except (ArithmeticError, LookupError, TypeError, ValueError, DBAPIError) as error:
            if rule.is_system or not _is_its_own(error):
                raise
            await _failed(transaction, rule, f"what it gives is not taken ({type(error).__name__})", now)
        return True

    async def _send(self, transaction: Transaction, rule: Rule, told: Heard, now: datetime) -> None:
        orders = rule.orders(told)
        if rule.channel_rule is ChannelRule.ALL:
            for order in orders:
                await accept(transaction, self.desk, order, now, must_fit=True)
            return
        accepted = await accept(transaction, self.desk, orders[0], now, must_fit=True)
        if accepted.is_new:
            body = request(rule, orders[0], rule.once(told))
            connection, keyring = transaction.connection, self.desk.keyring
            await escalations.begin(connection, keyring, body, rule.caller, accepted.id, now)


def _is_its_own(error: Exception) -> bool:
    sqlstate = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else OF_VALUES[0]
    return str(sqlstate).startswith(OF_VALUES)


async def contact_for(connection: AsyncConnection, rules: Sequence[Rule], event: Event) -> Contact:
    """What is known of the event's user, if a rule asks for it."""
    user_id = getattr(event, "user_id", None)
    is_asked_for = any(rule.facts & (OF_CONTACT | {"context"}) for rule in rules)
    return await contact_of(connection, user_id) if is_asked_for and user_id is not None else Contact()


async def _failed(transaction: Transaction, rule: Rule, error: str, now: datetime) -> None:
    log.error("rule.failed", rule=rule.name, type=rule.event_type, reason=error)
    RULES_FAILED.labels(rule.name).inc()
    await store.note_failure(transaction.connection, rule.id, error[:LONGEST_ERROR], now)
