"""How long a recovery takes, how long it may, and what of it is shown to whom."""

from datetime import datetime, timedelta
from typing import Literal

from orion_auth.two_factor_methods import RecoveryContacts

WINDOW = timedelta(days=7)
"""For so long after its delay a recovery can be completed; then it lapses."""

CODE_LIFETIME = timedelta(minutes=10)
"""Of a code that completes one (OWASP ASVS 5.0, 6.5.5: at most ten minutes)."""

MOST_CODES = 5
"""Sent out for one recovery."""

MOST_TRIES = 5
"""At one code."""

Channel = Literal["EMAIL", "SMS"]
"""By which a code can be sent."""

Stage = Literal["WAITING", "READY", "LAPSED"]
"""Of a recovery that was neither completed nor refused."""


def stage(ready_at: datetime, expires_at: datetime, now: datetime) -> Stage:
    """How far a recovery is that nobody has ended."""
    if now >= expires_at:
        return "LAPSED"
    return "READY" if now >= ready_at else "WAITING"


def is_overtaken(requested_at: datetime, set_up_since: datetime | None) -> bool:
    """Whether none of the second factors is left that a recovery was asked for: the oldest is younger than it."""
    return set_up_since is not None and set_up_since > requested_at


def recipients(contacts: RecoveryContacts, account_email: str, *, by_email: bool = True) -> dict[Channel, str]:
    """Where codes may be sent; `by_email` says whether mails may be relied on at all.

    Not to the account's own mailbox, should the two have become the same: whoever resets a password reads that one, and
    a recovery must ask for more.
    """
    found: dict[Channel, str] = {}
    if by_email and contacts.email is not None and contacts.email != account_email:
        found["EMAIL"] = contacts.email
    if contacts.phone is not None:
        found["SMS"] = contacts.phone
    return found


def mailboxes(contacts: RecoveryContacts, account_email: str) -> tuple[str, ...]:
    """Whom a notice goes to: whoever reads the mails of either address."""
    return (account_email,) if contacts.email in (None, account_email) else (account_email, contacts.email)


def hint(channel: Channel, recipient: str) -> str:
    """Enough for the owner to know which one it is: `g…@example.com`, `…67`."""
    if channel == "SMS":
        return f"…{recipient[-2:]}"
    local, _, domain = recipient.partition("@")
    return f"{local[:1]}…@{domain}"
