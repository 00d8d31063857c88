"""Links by which somebody says what he wants without signing in.

They are sealed: nobody else can make one, or read whose it is. They end: mails are kept, forwarded and leaked
for years.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson

from orion_core.ids import uuid7_time
from orion_core.sealing import Keyring, SealError
from orion_notifications.kinds import Category, Channel

PLACE = "link of choices"
LONGEST_TOKEN = 4000
VERSION = 2
UNSUBSCRIBES_FOR = timedelta(days=400)
"""Mails are read late, and who wants no more of them is to be heard."""
CHOOSES_FOR = timedelta(days=60)
"""The page shows and changes all that somebody wants; who comes later signs in, or takes a newer mail."""


@dataclass(frozen=True)
class About:
    """The message that a link stood in."""

    notification_id: UUID
    channel: Channel
    category: Category
    recipient: str


@dataclass(frozen=True)
class Link:
    """A link that was made here, and when."""

    about: About
    made_at: datetime

    def is_over(self, now: datetime, good_for: timedelta, since: datetime | None) -> bool:
        """Whether it has ended: by itself, or since the operator has ended all that were made before `since`."""
        return now > self.made_at + good_for or (since is not None and self.made_at < since)


def unsubscribe_url(keyring: Keyring, public_url: str, about: About, now: datetime) -> str:
    """What stands in List-Unsubscribe (RFC 8058) and behind "unsubscribe": POST does it, GET shows it."""
    return f"{public_url.rstrip('/')}/notifications/v1/unsubscribe/{token(keyring, about, now)}"


def preferences_url(keyring: Keyring, public_url: str, about: About, now: datetime) -> str:
    """The page on which everything is chosen."""
    return f"{public_url.rstrip('/')}/notifications/v1/preferences/{token(keyring, about, now)}"


def token(keyring: Keyring, about: About, now: datetime) -> str:
    """What a message was about, sealed."""
    message = [str(about.notification_id), about.channel.name, about.category.name, about.recipient]
    facts = [VERSION, int(now.timestamp()), *message]
    return keyring.seal_text(orjson.dumps(facts).decode(), PLACE)


def read(keyring: Keyring, text: str) -> Link | None:
    """The inverse; None for what was not made here."""
    try:
        match orjson.loads(keyring.open_text(text, PLACE)):
            case [2, int(seconds), str(id), str(channel), str(category), str(recipient)]:
                about = About(UUID(id), Channel[channel], Category[category], recipient)
                return Link(about, datetime.fromtimestamp(seconds, UTC))
            case [str(id), str(channel), str(category), str(recipient)]:  # as they were made before they had an end
                about = About(UUID(id), Channel[channel], Category[category], recipient)
                return Link(about, uuid7_time(about.notification_id))
            case _:
                return None
    except (SealError, ValueError):
        return None
