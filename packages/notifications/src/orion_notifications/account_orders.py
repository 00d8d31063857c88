"""What auth's requests for messages become: which template, filled with what. Pure; `events` opens and queues."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import urlsplit

from orion_contracts.account_messages import AccountMessageRequested, MessageSecrets, Purpose, SecurityNoticeRaised
from orion_notifications.kinds import Channel
from orion_notifications.notifications.rules import Order
from orion_notifications.preferences.rules import Contact

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
class Product:
    """What messages say of the installation they come from."""

    name: str
    app_url: str
    support_url: str

    @property
    def domain(self) -> str:
        """The host that codes by SMS are bound to."""
        return urlsplit(self.app_url).hostname or "localhost"


def message_order(
    event: AccountMessageRequested, secrets: MessageSecrets, product: Product, contact: Contact, now: datetime
) -> Order | None:
    """The message that carries a secret; None when no template says this by that way, or nothing is there to say."""
    template = TEMPLATES.get((event.purpose, event.channel))
    needs_code = event.channel == "SMS" or template in CODE_ALONE
    if template is None or not (secrets.code or (secrets.link and not needs_code)):
        return None
    return Order(
        key=f"{event.type}:{event.message_id}",
        type=f"account.{event.purpose.lower()}",
        template=template,
        channel=Channel[event.channel],
        user_id=event.user_id,
        recipient=event.recipient,
        locale=event.locale,
        expires_at=event.expires_at,
        variables=_variables(template, event, secrets, product, contact, now),
    )


def _variables(
    template: str,
    event: AccountMessageRequested,
    secrets: MessageSecrets,
    product: Product,
    contact: Contact,
    now: datetime,
) -> dict[str, Any]:
    common: dict[str, Any] = {
        "product_name": product.name,
        "code": secrets.code or "",
        "expires_minutes": minutes_between(now, event.expires_at),
    }
    if event.channel == "SMS":
        return common | {"domain": product.domain}
    common |= {
        "support_url": product.support_url,
        "requested_at": event.requested_at.isoformat(),
        "ip_address": str(event.ip_address or ""),
    }
    if template in CODE_ALONE:
        return common
    if template == "password_reset":
        # A name is what somebody typed: it goes to nobody but the owner of a verified address.
        is_theirs = contact.is_email_verified and event.recipient == contact.email
        return common | {"reset_url": secrets.link or "", "name": contact.name if is_theirs else ""}
    return common | {"action_url": secrets.link or ""}


def notice_order(event: SecurityNoticeRaised, link: str | None, product: Product) -> Order:
    """The mail that tells what happened; `link` is behind "this was not me"."""
    return Order(
        # One for each address: when it has changed, the one before is told too. Its digest, for keys are not that long.
        key=f"{event.type}:{event.notice_id}:{sha256(event.email.encode()).hexdigest()[:16]}",
        type="account.security_notice",
        template="security_notice",
        channel=Channel.EMAIL,
        user_id=event.user_id,
        recipient=event.email,
        locale=event.locale,
        variables={
            "product_name": product.name,
            "support_url": product.support_url,
            "notice": event.notice,
            "affected": event.details.get("SUBJECT", ""),
            "device_name": event.device_name or "",
            "place": ", ".join(part for part in (event.city, event.country) if part),
            "ip_address": str(event.ip_address or ""),
            "occurred_at": event.occurred_at.isoformat(),
            "disown_url": link or "",
        },
    )


def inbox_order(event: SecurityNoticeRaised, product: Product) -> Order | None:
    """The message in the inbox, beside the mail, about what must be seen wherever its owner is signed in; else None."""
    if event.notice != "recovery.requested":
        return None
    return Order(
        key=f"{event.type}:{event.notice_id}:inbox",  # once, however many addresses are told
        type="account.security_notice",
        template="recovery_requested_in_app",
        channel=Channel.IN_APP,
        user_id=event.user_id,
        locale=event.locale,
        variables={"product_name": product.name, "occurred_at": event.occurred_at.isoformat()},
    )


def minutes_between(now: datetime, then: datetime) -> int:
    """Whole minutes left, at least one."""
    return max(1, (then - now) // timedelta(minutes=1))
