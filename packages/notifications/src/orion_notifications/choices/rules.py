"""How it was said what somebody wants, and who may say it for a user."""

from enum import Enum, auto

from orion_notifications.choices.links import About
from orion_notifications.kinds import Channel
from orion_notifications.preferences.rules import Contact


class ConsentSource(Enum):
    """How somebody has agreed, or taken it back."""

    ONE_CLICK = auto()
    """RFC 8058: by the mail program."""
    PAGE = auto()
    """On the page behind the link in a mail."""
    ACCOUNT = auto()
    """Signed in."""
    ADMINISTRATOR = auto()


def is_own_address(about: About, contact: Contact) -> bool:
    """Whether a link went to an address that is the user's now, and not to one that he has mistyped or left.

    Whoever reads what goes there is else a stranger, who may end what comes to that address and no more.
    """
    match about.channel:
        case Channel.EMAIL:
            return contact.is_email_verified and about.recipient.lower() == contact.email
        case Channel.SMS:
            return about.recipient == contact.phone
        case _:
            return False
