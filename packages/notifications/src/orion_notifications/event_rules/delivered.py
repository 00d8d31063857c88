"""The rules that Orion is delivered with, as they are seeded. Their keys are those of messages that were sent before
there were rules, and never change.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from orion_contracts.access_events import RoleAssigned, RoleAssignmentEnded
from orion_contracts.account_messages import AccountMessageRequested, Purpose, SecurityNoticeRaised
from orion_contracts.events import EmailVerificationRequested, EmailVerified, IdentityRegistered
from orion_contracts.invitations import InvitationExpired, InvitationMailRequested
from orion_notifications.kinds import Channel

PREFIX = "orion."
"""What the names of these begin with, and of no others."""

TEMPLATES: dict[tuple[Purpose, Literal["EMAIL", "SMS"]], str] = {
    ("EMAIL_CHANGE", "EMAIL"): "email_change",
    ("INVITATION", "EMAIL"): "invitation",
    ("PASSWORD_RESET", "EMAIL"): "password_reset",
    ("SIGN_IN", "EMAIL"): "sign_in_link",
    ("RECOVERY", "EMAIL"): "recovery",
    ("RECOVERY_CONTACT", "EMAIL"): "recovery_contact",
    ("TWO_FACTOR_CODE", "EMAIL"): "two_factor_email",
    ("PHONE_VERIFICATION", "SMS"): "phone_verification",
    ("RECOVERY_CONTACT", "SMS"): "phone_verification",
    # One text says it for all three: here is a code, we never ask for it, and if it was not you, change your password.
    ("TWO_FACTOR_CODE", "SMS"): "two_factor_sms",
    ("SIGN_IN", "SMS"): "two_factor_sms",
    ("RECOVERY", "SMS"): "two_factor_sms",
}

CODE_ALONE = frozenset({"two_factor_email", "recovery_contact"})
"""Mails in which there is no link."""


@dataclass(frozen=True)
class Delivered:
    """A rule to be seeded. `variables` are facts by the same name unless they say otherwise."""

    name: str
    event_type: str
    description: str
    type: str
    template: str
    channel: Channel
    once_per: str
    condition: str | None = None
    user_fact: str | None = "user_id"
    address: str | None = None
    locale_fact: str | None = None
    expires_fact: str | None = None
    plain: tuple[str, ...] = ()
    """Variables that are the fact of the same name."""
    other: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    opened_variables: Mapping[str, str] = field(default_factory=dict[str, str])

    def values(self) -> dict[str, Any]:
        """Its row, but for the id."""
        return {
            "name": f"{PREFIX}{self.name}",
            "description": self.description,
            "event_type": self.event_type,
            "condition": self.condition,
            "type": self.type,
            "template": self.template,
            "channels": [self.channel],
            "user_fact": self.user_fact,
            "address": None if self.address is None else {"fact": self.address},
            "locale_fact": self.locale_fact,
            "expires_fact": self.expires_fact,
            "variables": {name: {"fact": name} for name in self.plain} | dict(self.other),
            "opened_variables": dict(self.opened_variables),
            "once_per": self.once_per,
            "is_system": True,
        }


def _or_empty(fact: str) -> dict[str, Any]:
    return {"fact": fact, "default": ""}


def _account_messages() -> Iterator[Delivered]:
    for (purpose, channel), template in TEMPLATES.items():
        is_sms = channel == "SMS"
        has_link = not is_sms and template not in CODE_ALONE
        needed = "(context.has_code || context.has_link)" if has_link else "context.has_code"
        secrets = {"code": "code"}
        if has_link:
            secrets["reset_url" if template == "password_reset" else "action_url"] = "link"
        other: dict[str, Any] = {} if is_sms else {"ip_address": _or_empty("ip_address")}
        other |= {"domain": {"fact": "app_domain"}} if is_sms else {}
        other |= {"name": {"fact": "user_name"}} if template == "password_reset" else {}
        yield Delivered(
            name=f"{purpose.lower()}_{channel.lower()}",
            event_type=AccountMessageRequested.type,
            description=f"Sends the secret of {purpose} by {channel}.",
            condition=f'context.purpose == "{purpose}" && context.channel == "{channel}" && {needed}',
            type=f"account.{purpose.lower()}",
            template=template,
            channel=Channel[channel],
            address="recipient",
            locale_fact="locale",
            expires_fact="expires_at",
            plain=("product_name", "expires_minutes") + (() if is_sms else ("support_url", "requested_at")),
            other=other,
            opened_variables=secrets,
            once_per="{message_id}",
        )


def _roles() -> Iterator[Delivered]:
    for event, change in ((RoleAssigned, "given"), (RoleAssignmentEnded, "ended")):
        yield Delivered(
            name=f"role_{change}",
            event_type=event.type,
            description="Tells whoever has a role, or has it no longer, when somebody else has done it.",
            condition="context.by != null && context.by != context.user_id",
            type="account.role_changed",
            template="role_changed_in_app",
            channel=Channel.IN_APP,
            plain=("product_name", "role"),
            other={"role_change": {"value": change}},
            once_per="{grant_id}",
        )


RULES: tuple[Delivered, ...] = (
    Delivered(
        name="welcome_in_app",
        event_type=IdentityRegistered.type,
        description="Puts a welcome into the inbox of whoever has registered.",
        condition="!context.is_imported",
        type="account.welcome",
        template="welcome_in_app",
        channel=Channel.IN_APP,
        plain=("product_name",),
        other={"name": _or_empty("name")},
        once_per="{user_id}",
    ),
    Delivered(
        name="email_verification",
        event_type=EmailVerificationRequested.type,
        description="Mails the link and the code that verify an address.",
        type="account.email_verification",
        template="email_verification",
        channel=Channel.EMAIL,
        address="email",
        locale_fact="locale",
        expires_fact="expires_at",
        plain=("product_name", "support_url", "expires_minutes", "requested_at"),
        other={"ip_address": _or_empty("ip_address")},
        opened_variables={"verification_url": "link", "code": "code"},
        # One mail for each request: another request's link and code expire at another time.
        once_per="{user_id}:{expires_at}",
    ),
    Delivered(
        name="welcome",
        event_type=EmailVerified.type,
        description="Welcomes by mail whoever has verified the address.",
        condition="!context.is_imported",
        type="account.welcome",
        template="welcome",
        channel=Channel.EMAIL,
        address="email",
        plain=("product_name", "app_url", "support_url"),
        other={"name": {"fact": "user_name"}},
        once_per="{user_id}",
    ),
    *_account_messages(),
    Delivered(
        name="security_notice",
        event_type=SecurityNoticeRaised.type,
        description="Mails the owner of an account what happened to it, with the link behind “this was not me”.",
        type="account.security_notice",
        template="security_notice",
        channel=Channel.EMAIL,
        address="email",
        locale_fact="locale",
        plain=("product_name", "support_url", "notice", "place"),
        other={
            "affected": _or_empty("details.SUBJECT"),
            "device_name": _or_empty("device_name"),
            "ip_address": _or_empty("ip_address"),
            "occurred_at": {"fact": "occurred_at"},
        },
        opened_variables={"disown_url": "link"},
        # One for each address: when it has changed, the one before is told too.
        once_per="{notice_id}:{address_digest}",
    ),
    Delivered(
        name="security_notice_in_app",
        event_type=SecurityNoticeRaised.type,
        description="Tells of an account recovery wherever its owner is signed in, beside the mail.",
        condition='context.notice == "recovery.requested"',
        type="account.security_notice",
        template="recovery_requested_in_app",
        channel=Channel.IN_APP,
        locale_fact="locale",
        plain=("product_name", "occurred_at"),
        once_per="{notice_id}:inbox",  # once, however many addresses are told
    ),
    Delivered(
        name="organization_invitation",
        event_type=InvitationMailRequested.type,
        description="Mails the link that accepts an invitation to an organization.",
        type="organization.invitation",
        template="organization_invitation",
        channel=Channel.EMAIL,
        address="recipient",
        locale_fact="locale",
        expires_fact="expires_at",
        plain=("product_name", "support_url", "organization", "expires_minutes"),
        opened_variables={"action_url": "link"},
        once_per="{message_id}",
    ),
    Delivered(
        name="organization_invitation_expired",
        event_type=InvitationExpired.type,
        description="Tells whoever sent an invitation that nobody accepted, at an address that is known to be his.",
        condition="context.user_is_verified",  # the mail names another person's
        type="organization.invitation_expired",
        template="organization_invitation_expired",
        channel=Channel.EMAIL,
        plain=("product_name", "support_url", "app_url", "organization"),
        other={"invited_email": {"fact": "email"}},
        # With the moment: one that was mailed again can expire again.
        once_per="{membership_id}:{expired_at}",
    ),
    *_roles(),
)


def names_by_event() -> Mapping[str, frozenset[str]]:
    """The names that there must be for an event of a type before anything is made of it."""
    found = defaultdict[str, set[str]](set)
    for rule in RULES:
        found[rule.event_type].add(f"{PREFIX}{rule.name}")
    return {event_type: frozenset(names) for event_type, names in found.items()}
