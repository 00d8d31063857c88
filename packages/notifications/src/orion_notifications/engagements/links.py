"""The links and the picture by which a mail tells that it was read.

They are sealed, the address that a link leads to with them: nobody else can make one, so nobody is led anywhere by us
but where a mail of ours led. To follow one, nothing has to be looked up. They end: mails are kept, forwarded and leaked
for years.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson

from orion_core.ids import uuid7_time
from orion_core.sealing import Keyring, SealError
from orion_notifications.engagements.rules import LONGEST_URL

PLACE = "link of an engagement"
LONGEST_TOKEN = 4 * LONGEST_URL
FOLLOWED_FOR = timedelta(days=366 + 400)
"""From when its message was taken, which is a year before it leaves at the most. Then it is old mail."""


@dataclass(frozen=True)
class Target:
    """What a link stands for: the message, which of its links, and where it leads. The picture is link 0 to nowhere."""

    notification_id: UUID
    number: int
    url: str

    def is_over(self, now: datetime, since: datetime | None) -> bool:
        """Whether it has ended: by age, or since the operator has ended those of messages taken before `since`."""
        taken_at = uuid7_time(self.notification_id)
        return now > taken_at + FOLLOWED_FOR or (since is not None and taken_at < since)


def click_url(keyring: Keyring, public_url: str, target: Target) -> str:
    """What stands in the mail in place of the link."""
    return f"{public_url.rstrip('/')}/notifications/v1/clicks/{token(keyring, target)}"


def open_url(keyring: Keyring, public_url: str, notification_id: UUID) -> str:
    """The picture."""
    return f"{public_url.rstrip('/')}/notifications/v1/opens/{token(keyring, Target(notification_id, 0, ''))}.gif"


def token(keyring: Keyring, target: Target) -> str:
    """A target, sealed."""
    return keyring.seal_text(orjson.dumps([str(target.notification_id), target.number, target.url]).decode(), PLACE)


def read(keyring: Keyring, text: str) -> Target | None:
    """The inverse; None for what was not made here."""
    try:
        notification_id, number, url = orjson.loads(keyring.open_text(text, PLACE))
    except (SealError, ValueError):
        return None
    return Target(UUID(notification_id), number, url)
