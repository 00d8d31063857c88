"""What follows from an event by a rule, without a database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from orion_contracts.access_events import RoleAssigned, RoleAssignmentEnded
from orion_contracts.account_messages import AccountMessageRequested, SecurityNoticeRaised
from orion_contracts.event import Event
from orion_contracts.events import EmailVerificationRequested, EmailVerified, IdentityRegistered
from orion_contracts.invitations import InvitationExpired, InvitationMailRequested
from orion_notifications.event_rules.delivered import RULES
from orion_notifications.event_rules.facts import EVENTS, SECRETS, heard, names_of
from orion_notifications.event_rules.rules import Heard, Rule, RuleFailedError
from orion_notifications.kinds import Channel, ChannelRule
from orion_notifications.notifications.rules import Order
from orion_notifications.preferences.rules import Contact
from orion_notifications.product import Product
from orion_notifications.seeds.template_files import load_templates
from orion_notifications.templates.rules import misfits, secret_names

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
ID = UUID("01890000-0000-7000-8000-00000000000a")
PRODUCT = Product("Orion", "https://app.example/", "https://help.example/")
REST: dict[str, Any] = {
    "priority": None,
    "channel_rule": ChannelRule.ALL,
    "escalate_after_seconds": 600,
    "condition": None,
    "user_fact": "user_id",
    "address": None,
    "locale_fact": None,
    "expires_fact": None,
    "variables": {},
    "opened_variables": {},
    "once_per": None,
    "is_system": False,
    "type": "ops.told",
    "template": "ops",
    "name": "ops",
    "event_type": "x",
}
OURS = [Rule.read(REST | rule.values() | {"id": uuid4()}) for rule in RULES]


def told(event: Event, **secrets: str) -> list[Order]:
    """What our own rules have sent."""
    found = heard(event, secrets, PRODUCT, Contact(name="Ada", email="ada@example.com", is_email_verified=True), NOW)
    return [
        order
        for rule in OURS
        if rule.event_type == event.type and rule.applies(found, NOW)
        for order in rule.orders(found)
    ]


def rule(**other: Any) -> Rule:
    return Rule.read(REST | {"id": ID, "channels": [Channel.EMAIL]} | other)


LATER = NOW + timedelta(minutes=10, microseconds=5)
EXPIRES = {"locale": "de", "requested_at": NOW, "expires_at": LATER, "secrets": "s"}
BY_SMS = {"purpose": "RECOVERY", "channel": "SMS", "recipient": "+4930123456"}
GIVEN = {"user_id": ID, "grant_id": ID, "scope": "GLOBAL", "starts_at": NOW, "role_id": ID, "role": "x", "by": uuid4()}
INVITED = {"membership_id": ID, "organization_id": ID, "organization": "Acme"}
NOTICE = {"user_id": ID, "notice_id": ID, "email": "ada@example.com", "locale": "de", "occurred_at": NOW}


@pytest.mark.parametrize(
    ("event", "keys"),
    [
        (
            IdentityRegistered(user_id=ID, email="a@b.example", locale="de", timezone="UTC", registered_at=NOW),
            [f"orion.auth.identity.registered.v1:{ID}"],
        ),
        (
            EmailVerificationRequested.model_validate(EXPIRES | {"user_id": ID, "email": "a@b.example"}),
            [f"orion.auth.email.verification_requested.v1:{ID}:2026-03-01T12:40:00.000005+00:00"],
        ),
        (
            EmailVerified(user_id=ID, email="a@b.example", verified_at=NOW),
            [f"orion.auth.email.verified.v1:{ID}"],
        ),
        (
            AccountMessageRequested.model_validate(EXPIRES | BY_SMS | {"user_id": ID, "message_id": ID}),
            [f"orion.auth.message.requested.v1:{ID}"],
        ),
        (
            SecurityNoticeRaised.model_validate(NOTICE | {"notice": "recovery.requested"}),
            [
                f"orion.auth.security.notice_raised.v1:{ID}:b5fc85e55755f9e0",
                f"orion.auth.security.notice_raised.v1:{ID}:inbox",
            ],
        ),
        (
            InvitationMailRequested.model_validate(INVITED | EXPIRES | {"message_id": ID, "recipient": "g@b.example"}),
            [f"orion.user.invitation_mail.requested.v1:{ID}"],
        ),
        (
            InvitationExpired.model_validate(INVITED | {"user_id": ID, "email": "g@b.example", "expired_at": NOW}),
            [f"orion.user.invitation.expired.v1:{ID}:2026-03-01T12:30:00+00:00"],
        ),
        (RoleAssigned.model_validate(GIVEN), [f"orion.user.role.assigned.v1:{ID}"]),
        (RoleAssignmentEnded.model_validate(GIVEN), [f"orion.user.role.assignment_ended.v1:{ID}"]),
    ],
    ids=lambda value: value.type if isinstance(value, Event) else "",
)
def test_keys_are_those_under_which_messages_were_sent_before_there_were_rules(event: Event, keys: list[str]) -> None:
    orders = told(event, link="https://auth.example/l1nk", code="482913")
    assert [order.key for order in orders] == keys
    assert {order.key for order in told(type(event).read(event.data()), link="x", code="1")} == set(keys)


def test_our_rules_name_what_events_tell_and_fill_their_templates_with_secrets_where_secrets_are_kept() -> None:
    templates = {template.name: template for template in load_templates()}
    for each in OURS:
        event = EVENTS[each.event_type]
        assert {fact.partition(".")[0] for fact in each.facts} <= names_of(event) | SECRETS.get(event.type, frozenset())
        template = templates[each.template]
        assert each.channels == (Channel[template.channel],)
        assert misfits(template.variables, each.variables.keys() | each.opened_variables.keys()) == set()
        assert secret_names(template.variables) == each.opened_variables.keys()


def test_facts_are_all_there_are_and_nothing_that_is_sealed() -> None:
    event = SecurityNoticeRaised.model_validate(NOTICE | {"notice": "x", "secrets": "sealed", "country": "DE"})
    found = heard(event, {"link": "https://l1nk"}, PRODUCT, Contact(), NOW)
    assert found.facts.keys() == names_of(SecurityNoticeRaised)
    assert found.facts["place"] == "DE" and found.facts["city"] is None and found.facts["has_link"] is True
    assert "l1nk" not in repr(found) and "sealed" not in repr(found)
    assert "key_hash" not in names_of(EVENTS["orion.user.api_key.changed.v1"])
    assert all(names_of(event).isdisjoint({"secrets", "link", "code"}) for event in EVENTS.values())


def test_a_name_goes_to_nobody_but_the_owner_of_a_verified_address() -> None:
    for contact, name in (
        (Contact(name="Ada", email="ada@example.com", is_email_verified=True), "Ada"),
        (Contact(name="Ada", email="ada@example.com"), ""),
        (Contact(name="Ada", email="other@example.com", is_email_verified=True), ""),
    ):
        event = EmailVerified(user_id=ID, email="ada@example.com", verified_at=NOW)
        assert heard(event, {}, PRODUCT, contact, NOW).facts["user_name"] == name


def test_what_cannot_be_said_is_told_without_a_word_of_the_event() -> None:
    event = Heard("x", {"user_id": str(ID), "n": "private", "nothing": None, "list": []})
    large = Heard("x", {"many": ["x"] * 2000})
    for faulty, why in (
        (rule(condition="context.missing == 1"), "nothing is known of missing"),
        (rule(condition="context.n"), "it cannot be decided"),
        (rule(condition="context.n > 1"), "it cannot be decided"),
        (rule(condition="context.n =="), "no CEL expression"),
        (rule(condition="context.many.size() > 1"), "too large"),
        (rule(variables={"v": {"fact": "nothing"}}), "does not tell nothing"),
        (rule(once_per="{nothing}"), "does not tell nothing"),
        (rule(user_fact="nothing"), "does not tell nothing"),
        (rule(user_fact=None, address={"fact": "missing"}), "does not tell missing"),
        (rule(user_fact=None, address={"fact": "list"}), "is no address"),
    ):
        heard_of = large if "many" in (faulty.condition or "") else event
        with pytest.raises(RuleFailedError, match=why) as failed:
            faulty.orders(heard_of if faulty.applies(heard_of, NOW) else event)
        assert "private" not in str(failed.value)


def test_keys_of_other_rules_are_their_own_and_never_too_long() -> None:
    event = Heard("x", {"user_id": str(ID), "long": "ä" * 200})
    every = rule(channels=[Channel.EMAIL, Channel.PUSH])
    assert [order.key for order in every.orders(event)] == [None, None]
    once = rule(channels=[Channel.EMAIL, Channel.PUSH], once_per="of {user_id}")
    assert [order.key for order in once.orders(event)] == [f"rule:{ID}:of {ID}:EMAIL", f"rule:{ID}:of {ID}:PUSH"]
    (order,) = rule(once_per="{long}").orders(event)
    assert order.key is not None and len(order.key) == len(f"rule:{ID}:EMAIL:") + 64
