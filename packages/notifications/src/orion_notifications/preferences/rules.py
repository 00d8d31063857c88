"""What a user's switches let through."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from enum import Enum, auto

from orion_notifications.kinds import ALWAYS_ON, Category, Channel
from orion_notifications.quiet_hours.rules import QuietHours

Switches = Mapping[str, Mapping[str, bool]]
"""Category or type → channel → whether it is wanted."""


class Frequency(Enum):
    """How often a digest comes."""

    HOURLY = auto()
    DAILY = auto()
    WEEKLY = auto()


@dataclass(frozen=True)
class Contact:
    """What is known of a user: where to reach them, in which language, and what they want when."""

    name: str = ""
    email: str | None = None
    is_email_verified: bool = False
    phone: str | None = None
    locale: str = "en"
    timezone: str = "UTC"
    switched_off: frozenset[Channel] = frozenset()
    overrides: Switches = field(default_factory=dict[str, Mapping[str, bool]])
    """By category, as user tells it; goes before the channel's own switch."""
    chosen: Switches = field(default_factory=dict[str, Mapping[str, bool]])
    """By category, as chosen here. What either of the two switches off is off."""
    types: Switches = field(default_factory=dict[str, Mapping[str, bool]])
    """By type; goes before all others."""
    quiet: QuietHours | None = None
    digests: Mapping[str, Frequency] = field(default_factory=dict[str, Frequency])
    """By category: what is told of together, by mail."""
    digest_at: time = time(9)
    """The local time of daily and weekly digests."""


class Choice(Enum):
    """What decided whether a message is wanted."""

    REQUIRED = auto()
    TYPE = auto()
    CATEGORY = auto()
    CHANNEL = auto()


def choice(contact: Contact, category: Category, channel: Channel, kind: str) -> tuple[bool, Choice]:
    """Whether a message of this category and type may go to the user by this channel, and by which choice."""
    if category in ALWAYS_ON:
        return True, Choice.REQUIRED
    by_type = contact.types.get(kind, {}).get(channel.name)
    if by_type is not None:
        return by_type, Choice.TYPE
    by_category = [each.get(category.name, {}).get(channel.name) for each in (contact.overrides, contact.chosen)]
    if False in by_category or True in by_category:
        return False not in by_category, Choice.CATEGORY
    return channel not in contact.switched_off, Choice.CHANNEL


def wants(contact: Contact, category: Category, channel: Channel, kind: str = "") -> bool:
    """Whether a message may go to the user by this channel."""
    return choice(contact, category, channel, kind)[0]
