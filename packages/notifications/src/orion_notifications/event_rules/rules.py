"""Which messages follow from an event by a rule, and under which keys. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, Self, TypeVar
from uuid import UUID

from orion_core.conditions import condition as conditions
from orion_core.conditions.condition import compile_condition
from orion_core.conditions.grammar import InvalidConditionError
from orion_notifications.kinds import Channel, ChannelRule, Priority
from orion_notifications.notifications.rules import Order

Read = TypeVar("Read")

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*(?:\.[A-Za-z0-9_]+)*)\}")
"""A fact in `once_per`."""
LONGEST_ONCE = 100
"""Characters of what a key is made of; of what is longer, its digest."""
OF_EVENTS = frozenset({"context", "time"})
"""What a condition of a rule looks at: the facts of the event, and the moment at which it is heard."""


class RuleFailedError(ValueError):
    """Why a rule gives no message of an event that it is about. Quotes nothing of the event."""


@dataclass(frozen=True)
class Source:
    """Where a value comes from: a fact of the event, with what stands for it when it is not known, or itself."""

    fact: str | None = None
    default: Any = None
    value: Any = None

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Self:
        """One as the database keeps it: `{"fact": …}`, `{"fact": …, "default": …}` or `{"value": …}`."""
        return cls(kept.get("fact"), kept.get("default"), kept.get("value"))

    def of(self, facts: Mapping[str, Any]) -> Any:
        """The value; raises RuleFailedError when the event does not tell it."""
        if self.fact is None:
            return self.value
        found = look_up(facts, self.fact)
        found = self.default if found is None else found
        if found is None:
            raise _unknown(self.fact)
        return found


@dataclass(frozen=True)
class Heard:
    """An event as rules see it: named facts, and secrets, which only rules that Orion is delivered with can name."""

    type: str
    facts: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True)
class Rule:
    """What is sent, to whom and through which channels, when an event is heard of which the condition holds."""

    id: UUID
    name: str
    event_type: str
    condition: str | None
    type: str
    template: str
    channels: tuple[Channel, ...]
    channel_rule: ChannelRule
    escalate_after_seconds: int
    priority: Priority | None
    user_fact: str | None
    address: Source | None
    locale_fact: str | None
    expires_fact: str | None
    variables: Mapping[str, Source]
    opened_variables: Mapping[str, str]
    once_per: str | None
    is_system: bool

    @classmethod
    def read(cls, row: Mapping[Any, Any]) -> Self:
        """One as the database keeps it."""
        names = ("id", "name", "event_type", "condition", "type", "template", "channel_rule", "escalate_after_seconds")
        others = ("priority", "user_fact", "locale_fact", "expires_fact", "opened_variables", "once_per", "is_system")
        return cls(
            **{name: row[name] for name in (*names, *others)},
            channels=tuple(row["channels"]),
            address=None if row["address"] is None else Source.read(row["address"]),
            variables={name: Source.read(source) for name, source in row["variables"].items()},
        )

    @cached_property
    def facts(self) -> frozenset[str]:
        """Every fact that it names, by its path; of its condition `context` itself where that names none by a path."""
        named = [self.user_fact, self.locale_fact, self.expires_fact, *self.opened_variables.values()]
        named += [source.fact for source in self.variables.values()]
        named += [] if self.address is None else [self.address.fact]
        named += PLACEHOLDER.findall(self.once_per or "")
        return frozenset(name for name in named if name is not None) | facts_of_condition(self.condition)

    def applies(self, heard: Heard, now: datetime) -> bool:
        """Whether its condition holds; raises RuleFailedError when that cannot be said."""
        if self.condition is None:
            return True
        try:
            compiled = compile_condition(self.condition)
            looked_at = _looked_at(heard.facts, facts_of_condition(self.condition))
            conditions.check_attributes(looked_at)
        except InvalidConditionError as error:
            raise RuleFailedError(f"condition: {error}") from None
        except ValueError:
            raise RuleFailedError("condition: the event is too large to be looked through") from None
        outcome = compiled.decide(conditions.Facts(now, {}, {}, looked_at, {}))
        if outcome.holds is None:
            raise RuleFailedError(f"condition: {_without_values(outcome.fault)}")
        return outcome.holds

    def orders(self, heard: Heard) -> list[Order]:
        """An order for each channel; raises RuleFailedError when the event does not tell what they need."""
        variables = {name: source.of(heard.facts) for name, source in self.variables.items()}
        secrets = {name: heard.secrets.get(fact, "") for name, fact in self.opened_variables.items()}
        address = None if self.address is None else _address(self.address, heard.facts)
        user_id = _read(heard.facts, self.user_fact, UUID, "no user")
        if user_id is None and address is None:
            raise _unknown(self.user_fact or "whom it is to go to")
        expires_at = _read(heard.facts, self.expires_fact, datetime.fromisoformat, "no moment")
        locale = _read(heard.facts, self.locale_fact, str, "no language")
        return [
            Order(
                key=self._key(heard, channel),
                type=self.type,
                template=self.template,
                channel=channel,
                user_id=user_id,
                variables=variables | secrets,
                secrets=frozenset(secrets),
                recipient=address,
                locale=locale,
                expires_at=expires_at,
                priority=self.priority,
            )
            for channel in self.channels
        ]

    @property
    def caller(self) -> str:
        """On whose behalf its messages are sent: what their keys begin with."""
        return f"rule:{self.id}"

    def once(self, heard: Heard) -> str | None:
        """What there is one message for; None: for each event, which is heard once anyway."""
        if self.once_per is None:
            return None
        once = PLACEHOLDER.sub(lambda found: _in_key(heard.facts, found[1]), self.once_per)
        if self.is_system or (len(once) <= LONGEST_ONCE and once.isprintable()):
            return once
        return sha256(once.encode()).hexdigest()

    def _key(self, heard: Heard, channel: Channel) -> str | None:
        once = self.once(heard)
        if once is None:
            return None
        # What was sent before there were rules must not be sent again: keys of what Orion is delivered with stay.
        return f"{heard.type}:{once}" if self.is_system else f"{self.caller}:{once}:{channel.name}"


def facts_of_condition(text: str | None) -> frozenset[str]:
    """The facts that a condition looks at, by their paths; raises `InvalidConditionError`."""
    if text is None:
        return frozenset()
    paths = compile_condition(text).paths
    return frozenset(path.removeprefix("context.") for path in paths if path.partition(".")[0] == "context")


def _looked_at(facts: Mapping[str, Any], named: frozenset[str]) -> dict[str, Any]:
    """The facts that are named, since handing over is what costs; all of them where one is not named by a path."""
    if "context" in named:
        return dict(facts)
    return {name: facts[name] for name in {path.partition(".")[0] for path in named} if name in facts}


def request(rule: Rule, order: Order, once: str | None) -> dict[str, Any]:
    """The request to send, as it would have come over HTTP, for the channels after the first one."""
    return {
        "to": {"user_id": str(order.user_id)},
        "type": order.type,
        "channels": [channel.name for channel in rule.channels],
        "rule": rule.channel_rule.name,
        "escalate_after_seconds": rule.escalate_after_seconds,
        "template": order.template,
        "variables": dict(order.variables),
        "priority": None if order.priority is None else order.priority.name,
        "locale": order.locale,
        "expires_at": None if order.expires_at is None else order.expires_at.isoformat(),
        "idempotency_key": once,
    }


def look_up(facts: Mapping[str, Any], path: str) -> Any:
    """The fact of that name, or a part of it (`details.SUBJECT`); None when it is not known."""
    found: Any = facts
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return found  # pyright: ignore[reportUnknownVariableType]


def _read(facts: Mapping[str, Any], fact: str | None, read: Callable[[str], Read], none: str) -> Read | None:
    found = None if fact is None else look_up(facts, fact)
    if found is None:
        return None
    try:
        return read(found)
    except (ValueError, TypeError, AttributeError):
        raise RuleFailedError(f"{fact} is {none}") from None


def _address(source: Source, facts: Mapping[str, Any]) -> str:
    found = source.of(facts)
    if not isinstance(found, str):
        raise RuleFailedError("where it is to go is no address")
    return found


def _in_key(facts: Mapping[str, Any], path: str) -> str:
    found = look_up(facts, path)
    if found is None:
        raise _unknown(path)
    return str(found)


def _unknown(fact: str) -> RuleFailedError:
    return RuleFailedError(f"the event does not tell {fact}")


def _without_values(fault: str | None) -> str:
    """What the library says may quote the event, which is forgotten one day; what stands in a rule is not."""
    known = ("nothing is known of ", "it gives ")
    return fault if fault is not None and fault.startswith(known) else "it cannot be decided of such an event"
