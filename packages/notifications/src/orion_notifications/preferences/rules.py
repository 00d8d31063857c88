"""What a user's switches let through."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from orion_notifications.kinds import ALWAYS_ON, Category, Channel


@dataclass(frozen=True)
class Contact:
    """What is known of a user: where to reach them, in which language, and what they want."""

    name: str = ""
    email: str | None = None
    is_email_verified: bool = False
    locale: str = "en"
    timezone: str = "UTC"
    switched_off: frozenset[Channel] = frozenset()
    overrides: Mapping[str, Mapping[str, bool]] = field(default_factory=dict[str, Mapping[str, bool]])
    """Category → channel → whether it is wanted; goes before the channel's own switch."""


def wants(contact: Contact, category: Category, channel: Channel) -> bool:
    """Whether a message of this category may go to the user by this channel."""
    if category in ALWAYS_ON:
        return True
    override = contact.overrides.get(category.name, {}).get(channel.name)
    return channel not in contact.switched_off if override is None else override
