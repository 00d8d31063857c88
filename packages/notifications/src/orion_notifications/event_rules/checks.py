"""Whether a rule that somebody writes can ever be followed: every fault by the field that it is in. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orion_core.conditions.condition import compile_condition
from orion_core.conditions.grammar import InvalidConditionError
from orion_core.errors import FieldError
from orion_notifications.event_rules.facts import ADDRESSES, EVENTS, OURS_ALONE, USERS, names_of
from orion_notifications.event_rules.rules import OF_EVENTS, PLACEHOLDER, Rule, facts_of_condition
from orion_notifications.kinds import Channel, ChannelRule
from orion_notifications.notifications.shapes import EMAIL

PHONE = re.compile(r"\+[1-9][0-9]{1,14}")
OF_USERS_ALONE = frozenset({Channel.IN_APP, Channel.PUSH})


def faults(rule: Rule) -> list[FieldError]:
    """What is wrong with it, whatever its template says."""
    event = EVENTS.get(rule.event_type)
    if event is None:
        detail = "No rules are kept for this event; GET /notifications/v1/rules/events lists those that there are."
        return [FieldError(field="/event_type", code="unknown_event_type", detail=detail)]
    if rule.event_type in OURS_ALONE:
        detail = "It tells of an address that may be nobody's here: there are no rules for it but Orion's own."
        return [FieldError(field="/event_type", code="reserved_event_type", detail=detail)]
    names = names_of(event)
    return [*_in_condition(rule.condition, names), *_in_facts(rule, names), *_in_recipient(rule), *_in_key(rule)]


def _in_condition(text: str | None, names: frozenset[str]) -> Iterator[FieldError]:
    if text is None:
        return
    try:
        compiled = compile_condition(text)
    except InvalidConditionError as error:
        detail = f"Line {error.line}, column {error.column}: {error.detail}"
        yield FieldError(field="/condition", code=error.code, detail=detail)
        return
    for variable in sorted(compiled.variables - OF_EVENTS):
        detail = f"{variable} is of grants; a rule looks at context, the facts of the event, and at time."
        yield FieldError(field="/condition", code="unknown_variable", detail=detail)
    for fact in sorted(facts_of_condition(text) - {"context"}):
        yield from _known("/condition", fact, names)


def _in_facts(rule: Rule, names: frozenset[str]) -> Iterator[FieldError]:
    named: dict[str, str | None] = {
        "/user_fact": rule.user_fact,
        "/locale_fact": rule.locale_fact,
        "/expires_fact": rule.expires_fact,
        "/address/fact": None if rule.address is None else rule.address.fact,
        **{f"/variables/{name}/fact": source.fact for name, source in rule.variables.items()},
    }
    for field, fact in named.items():
        if fact is not None:
            yield from _known(field, fact, names)
    for fact in PLACEHOLDER.findall(rule.once_per or ""):
        yield from _known("/once_per", fact, names)


def _known(field: str, fact: str, names: frozenset[str]) -> Iterator[FieldError]:
    if fact.partition(".")[0] not in names:
        detail = f"The event tells no {fact}; it tells {', '.join(sorted(names))}."
        yield FieldError(field=field, code="unknown_fact", detail=detail)


def _in_recipient(rule: Rule) -> Iterator[FieldError]:
    if rule.user_fact is None and rule.address is None:
        yield FieldError(field="/user_fact", code="no_recipient", detail="name a user_fact, an address, or both")
    if rule.user_fact is not None and rule.user_fact not in USERS:
        yield FieldError(field="/user_fact", code="no_user", detail=f"a user is one of {', '.join(USERS)}")
    if rule.user_fact is None and (own := OF_USERS_ALONE & set(rule.channels)):
        ways = ", ".join(sorted(channel.name for channel in own))
        yield FieldError(field="/user_fact", code="no_user", detail=f"{ways}: only users have one; name a user_fact")
    if rule.channel_rule is not ChannelRule.ALL and (len(rule.channels) == 1 or rule.address is not None):
        detail = "one channel after the other takes two channels or more, and goes to a user without an address"
        yield FieldError(field="/channel_rule", code="one_channel", detail=detail)
    if rule.address is not None:
        yield from _in_address(rule)


def _in_address(rule: Rule) -> Iterator[FieldError]:
    address, (channel, *others) = rule.address, rule.channels
    if others or channel in OF_USERS_ALONE or address is None:
        detail = "an address is of one channel, and neither IN_APP nor PUSH has one"
        yield FieldError(field="/address", code="not_of_channel", detail=detail)
        return
    patterns: Mapping[Channel, re.Pattern[str]] = {Channel.EMAIL: EMAIL, Channel.SMS: PHONE}
    if address.fact is None:
        pattern = patterns.get(channel)
        if pattern is not None and not pattern.fullmatch(str(address.value)):
            yield FieldError(field="/address/value", code="no_address", detail=f"it is no address of {channel.name}")
    elif address.fact not in ADDRESSES or channel not in patterns:
        detail = f"an address in an event is one of {', '.join(ADDRESSES)}, for EMAIL or SMS"
        yield FieldError(field="/address/fact", code="no_address", detail=detail)


def _in_key(rule: Rule) -> Iterator[FieldError]:
    left = PLACEHOLDER.sub("", rule.once_per or "")
    if rule.once_per is not None and (left == rule.once_per or re.search(r"[{}]", left)):
        detail = "names facts in braces, such as {user_id}; without one it would be sent once for ever"
        yield FieldError(field="/once_per", code="no_fact", detail=detail)


def template_faults(rule: Rule, category: str, missing: frozenset[str]) -> Iterator[FieldError]:
    """What does not go together with the template in force; `missing` are variables it lacks or does not know."""
    if missing:
        detail = f"missing, or not the template's: {', '.join(sorted(missing))}"
        yield FieldError(field="/variables", code="misfit_variables", detail=detail)
    if category != "MARKETING":
        return
    if EVENTS[rule.event_type].__name__ in ABOUT_SECURITY:
        detail = "What protects an account is no occasion for MARKETING; name another event or template."
        yield FieldError(field="/template", code="category_misfit", detail=detail)
    if rule.priority is not None and rule.priority.name == "URGENT":
        yield FieldError(field="/priority", code="category_misfit", detail="MARKETING is never URGENT.")


ABOUT_SECURITY = frozenset({"AccountMessageRequested", "EmailVerificationRequested", "SecurityNoticeRaised"})


def refused_of_ours(changed: Mapping[str, Any], *, is_security: bool) -> FieldError | None:
    """What cannot be changed of a rule that Orion is delivered with."""
    if fixed := sorted(changed.keys() - {"description", "priority", "is_active"}):
        detail = "A rule that Orion is delivered with keeps what it says to whom; write the words in its template."
        return FieldError(field=f"/{fixed[0]}", code="rule_protected", detail=detail)
    if is_security and changed.get("is_active") is False:
        detail = "What protects an account cannot be switched off."
        return FieldError(field="/is_active", code="rule_protected", detail=detail)
    return None
