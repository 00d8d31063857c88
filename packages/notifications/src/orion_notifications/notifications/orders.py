"""What is known of an order, and what of it is decided; nothing here reads or writes."""

from dataclasses import dataclass
from typing import Any

from orion_core.errors import FieldError
from orion_notifications.decisions.rules import Draft, Facts, Judgement, Outcome, Wording
from orion_notifications.decisions.shapes import in_words
from orion_notifications.kinds import Channel, Priority
from orion_notifications.notifications.rules import NotificationStatus, Order
from orion_notifications.preferences.rules import Contact
from orion_notifications.rendering.schemas import value_errors
from orion_notifications.templates.actions import PublishedTemplate
from orion_notifications.templates.rules import choose_locale, secret_names


@dataclass(frozen=True)
class Considered:
    """An order, what is known about it, and what is decided of it."""

    order: Order
    template: PublishedTemplate | None
    contact: Contact
    draft: Draft
    facts: Facts
    judgement: Judgement


def address(order: Order, contact: Contact) -> str | None:
    """Where it goes, as far as that is one address."""
    if order.recipient is not None:
        return order.recipient
    return {Channel.EMAIL: contact.email, Channel.SMS: contact.phone}.get(order.channel)


def draft_of(order: Order, template: PublishedTemplate | None, contact: Contact) -> Draft:
    """The order as decisions see it."""
    secret = frozenset[str]() if template is None else secret_names(template.variables) & order.variables.keys()
    if template is None:
        assert order.category is not None  # shapes and actions see to it
        category, priority = order.category, order.priority or Priority.NORMAL
    else:
        category, priority = template.category, order.priority or template.priority
    return Draft(
        type=order.type,
        category=category,
        channel=order.channel,
        priority=priority,
        recipient=address(order, contact),
        is_to_user=order.user_id is not None,
        wording=None if template is None else wording(template, order.locale or contact.locale),
        has_secrets=bool(secret),
        scheduled_at=order.scheduled_at,
        local_time=order.local_time,
        expires_at=order.expires_at,
    )


def wording(template: PublishedTemplate, wanted: str) -> Wording:
    """The version and the language of a template that is used for the one that is wanted."""
    locale = choose_locale(wanted, template.locales, template.default_locale)
    subtags = wanted.replace("_", "-").split("-")
    looked_for = ["-".join(subtags[:length]) for length in range(len(subtags), 0, -1)]
    is_found = locale.lower() in {each.lower() for each in looked_for}
    chain = [locale if each.lower() == locale.lower() else each for each in looked_for]
    chain = chain[: chain.index(locale) + 1] if is_found else [*chain, locale]
    return Wording(template.name, template.version, locale, tuple(chain))


def without_secrets(order: Order, template: PublishedTemplate | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The variables that may stand in the record, and those that are sealed."""
    secret = frozenset[str]() if template is None else secret_names(template.variables)
    plain = {name: value for name, value in order.variables.items() if name not in secret}
    return plain, {name: value for name, value in order.variables.items() if name in secret}


def value_faults(order: Order, template: PublishedTemplate) -> list[FieldError]:
    """What of the variables does not fit the template's schema; `field` is a JSON pointer into the request.

    No value is told of, and of a secret not even where in it the fault is: names in it may be a part of it.
    """
    secret = secret_names(template.variables)
    faults: list[FieldError] = []
    for fault in value_errors(template.variables, order.variables):
        name = fault.field.removeprefix("/").partition("/")[0].replace("~1", "/").replace("~0", "~")
        if name in secret:
            faults.append(FieldError(field=f"/variables/{name}", code=fault.code, detail="it does not fit its schema"))
        else:
            faults.append(fault.model_copy(update={"field": f"/variables{fault.field}"}))
    return list(dict.fromkeys(faults))


def standing(judgement: Judgement) -> dict[str, Any]:
    """What a judgement says in the record."""
    reason = in_words(judgement.decisive)
    if judgement.outcome in (Outcome.REJECTED, Outcome.EXPIRED):
        return {
            "status": NotificationStatus[judgement.outcome.name],
            "sealed_variables": None,
            "error_code": judgement.decisive.code,
            "error_message": reason,
        }
    if judgement.outcome is Outcome.DEFER:
        return {"next_attempt_at": judgement.until, "deferred_reason": reason[:200]}
    if judgement.outcome is Outcome.DIGEST:
        return {"next_attempt_at": judgement.until}
    return {}
