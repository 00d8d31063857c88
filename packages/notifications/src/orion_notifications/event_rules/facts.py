"""What rules can know of an event: what it says, but for what is sealed in it, and what follows from that. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any
from uuid import UUID

from orion_contracts.access_events import (
    ElevationChanged,
    MembershipChanged,
    OrganizationChanged,
    PermissionChanged,
    PermissionGranted,
    PermissionGrantEnded,
    RoleAssigned,
    RoleAssignmentEnded,
    RoleChanged,
    SeparationRuleChanged,
    TeamChanged,
)
from orion_contracts.account_messages import AccountMessageRequested, SecurityNoticeRaised
from orion_contracts.api_keys import ApiKeyChanged
from orion_contracts.event import Event
from orion_contracts.events import (
    EmailChanged,
    EmailVerificationRequested,
    EmailVerified,
    IdentityProfileChanged,
    IdentityRegistered,
    IdentityReinstated,
    IdentitySuspended,
    PhoneChanged,
    SessionEnded,
    SessionStarted,
    UserCreated,
    UsernameChanged,
)
from orion_contracts.invitations import InvitationExpired, InvitationMailRequested
from orion_contracts.user_events import (
    LocaleChanged,
    NotificationPreferencesChanged,
    SecurityPreferencesChanged,
    UserDeleted,
    UserReinstated,
    UserRestored,
    UserSuspended,
)
from orion_notifications.event_rules.rules import Heard
from orion_notifications.preferences.rules import Contact
from orion_notifications.product import Product

OF_AUTH: tuple[type[Event], ...] = (
    AccountMessageRequested,
    EmailChanged,
    EmailVerificationRequested,
    EmailVerified,
    IdentityProfileChanged,
    IdentityRegistered,
    IdentityReinstated,
    IdentitySuspended,
    PhoneChanged,
    SecurityNoticeRaised,
    SessionEnded,
    SessionStarted,
    UsernameChanged,
)
OF_USER: tuple[type[Event], ...] = (
    ApiKeyChanged,
    ElevationChanged,
    InvitationExpired,
    InvitationMailRequested,
    LocaleChanged,
    MembershipChanged,
    NotificationPreferencesChanged,
    OrganizationChanged,
    PermissionChanged,
    PermissionGranted,
    PermissionGrantEnded,
    RoleAssigned,
    RoleAssignmentEnded,
    RoleChanged,
    SecurityPreferencesChanged,
    SeparationRuleChanged,
    TeamChanged,
    UserCreated,
    UserDeleted,
    UserReinstated,
    UserRestored,
    UserSuspended,
)
EVENTS: Mapping[str, type[Event]] = {event.type: event for event in (*OF_AUTH, *OF_USER)}
"""What there can be rules for. Not what services tell each other of tokens, audit trails, imports and erasures."""

OURS_ALONE = frozenset({InvitationExpired.type, InvitationMailRequested.type})
"""For these there are no rules but our own: they tell of an address that may be nobody's here, and what was sent about
it is forgotten by the keys of our own messages (`InvitationsForgotten`)."""

KEPT_BACK: Mapping[str, frozenset[str]] = {
    # Another person's, whose erasure would not find what was sent about it.
    MembershipChanged.type: frozenset({"email"}),
    ApiKeyChanged.type: frozenset({"key_hash"}),
}

SECRETS: Mapping[str, frozenset[str]] = {
    AccountMessageRequested.type: frozenset({"link", "code"}),
    EmailVerificationRequested.type: frozenset({"link", "code"}),
    InvitationMailRequested.type: frozenset({"link"}),
    SecurityNoticeRaised.type: frozenset({"link"}),
}
"""What is sealed in an event, by the names that our own rules have for it."""

ADDRESSES = ("email", "recipient", "phone", "previous")
USERS = ("user_id", "by")
OF_CONTACT = frozenset({"user_name", "user_is_verified"})
"""What is known of the user here; looked up when a rule asks for it."""
HEARD_WITHIN = timedelta(seconds=10)
"""How much longer than it is something may be said to be good: so soon, and mostly sooner, an event is heard."""
OF_PRODUCT = ("product_name", "app_url", "support_url", "app_domain")


def names_of(event: type[Event]) -> frozenset[str]:
    """The facts that there are of events of a type; some of them are null where an event says nothing about them."""
    fields = _fields(event)
    names = fields | frozenset(OF_PRODUCT)
    if "user_id" in fields:
        names |= OF_CONTACT
    if "expires_at" in fields:
        names |= {"expires_minutes"}
    if {"city", "country"} <= fields:
        names |= {"place"}
    if any(name in fields for name in ADDRESSES[:2]):
        names |= {"address_digest"}
    return names | {f"has_{secret}" for secret in SECRETS.get(event.type, ())}


def heard(event: Event, secrets: Mapping[str, str | None], product: Product, contact: Contact, now: datetime) -> Heard:
    """An event with all the facts of `names_of`."""
    kind = type(event)
    facts: dict[str, Any] = {name: _plain(getattr(event, name)) for name in _fields(kind)}
    address = next((facts[name] for name in ADDRESSES[:2] if name in facts), None)
    # A name is what somebody typed: it goes to nobody but the owner of a verified address.
    is_theirs = contact.is_email_verified and address in (None, contact.email)
    derived: dict[str, Any] = {
        "product_name": product.name,
        "app_url": product.app_url,
        "support_url": product.support_url,
        "app_domain": product.domain,
        "user_name": contact.name if is_theirs else "",
        "user_is_verified": contact.is_email_verified,
        "place": ", ".join(part for part in (facts.get("city"), facts.get("country")) if part),
        # Of addresses, which are longer than keys may be.
        "address_digest": None if address is None else sha256(address.encode()).hexdigest()[:16],
        **{f"has_{name}": bool(secrets.get(name)) for name in SECRETS.get(kind.type, ())},
    }
    expires_at: datetime | None = getattr(event, "expires_at", None)
    derived["expires_minutes"] = None if expires_at is None else minutes_between(now, expires_at)
    facts |= {name: derived[name] for name in names_of(kind) - facts.keys()}
    return Heard(kind.type, facts, {name: value or "" for name, value in secrets.items()})


def minutes_between(now: datetime, then: datetime) -> int:
    """Whole minutes left, at least one. An hour is told as 60 minutes, though an event takes a moment to be heard."""
    return max(1, (then - now + HEARD_WITHIN) // timedelta(minutes=1))


def _fields(event: type[Event]) -> frozenset[str]:
    return frozenset(event.model_fields) - {"secrets"} - KEPT_BACK.get(event.type, frozenset())


def _plain(value: Any) -> Any:
    """As JSON has it. Moments as Python writes them, by which keys of messages have always been made."""
    match value:
        case datetime():
            return value.isoformat()
        case Enum():
            return value.name
        case UUID() | IPv4Address() | IPv6Address() | IPv4Network() | IPv6Network():
            return str(value)
        case list():
            return [_plain(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
        case dict():
            return {str(name): _plain(each) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            return value
