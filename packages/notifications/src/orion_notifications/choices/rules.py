"""How it was said what somebody wants."""

from enum import Enum, auto


class ConsentSource(Enum):
    """How somebody has agreed, or taken it back."""

    ONE_CLICK = auto()
    """RFC 8058: by the mail program."""
    PAGE = auto()
    """On the page behind the link in a mail."""
    ACCOUNT = auto()
    """Signed in."""
    ADMINISTRATOR = auto()
