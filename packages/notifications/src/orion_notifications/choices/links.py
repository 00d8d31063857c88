"""Links by which somebody says what he wants without signing in.

They are sealed: nobody else can make one, or read whose it is.
"""

from dataclasses import dataclass
from uuid import UUID

import orjson

from orion_core.sealing import Keyring, SealError
from orion_notifications.kinds import Category, Channel

PLACE = "link of choices"
LONGEST_TOKEN = 4000


@dataclass(frozen=True)
class About:
    """The message that a link stood in."""

    notification_id: UUID
    channel: Channel
    category: Category
    recipient: str


def unsubscribe_url(keyring: Keyring, public_url: str, about: About) -> str:
    """What stands in List-Unsubscribe (RFC 8058) and behind "unsubscribe": POST does it, GET shows it."""
    return f"{public_url.rstrip('/')}/notifications/v1/unsubscribe/{token(keyring, about)}"


def preferences_url(keyring: Keyring, public_url: str, about: About) -> str:
    """The page on which everything is chosen."""
    return f"{public_url.rstrip('/')}/notifications/v1/preferences/{token(keyring, about)}"


def token(keyring: Keyring, about: About) -> str:
    """What a message was about, sealed."""
    facts = [str(about.notification_id), about.channel.name, about.category.name, about.recipient]
    return keyring.seal_text(orjson.dumps(facts).decode(), PLACE)


def read(keyring: Keyring, text: str) -> About | None:
    """The inverse; None for what was not made here."""
    try:
        notification_id, channel, category, recipient = orjson.loads(keyring.open_text(text, PLACE))
    except (SealError, ValueError):
        return None
    return About(UUID(notification_id), Channel[channel], Category[category], recipient)
