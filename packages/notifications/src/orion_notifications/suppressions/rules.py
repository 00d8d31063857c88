"""Why an address is suppressed, and what that stops."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from orion_notifications.kinds import ALWAYS_ON, Category, Channel


class SuppressionReason(Enum):
    """Why an address must not be written to."""

    BOUNCE = auto()
    COMPLAINT = auto()
    UNSUBSCRIBE = auto()
    MANUAL = auto()


@dataclass(frozen=True)
class Suppression:
    """That an address gets nothing by a channel: of one category, or of any."""

    category: Category | None
    reason: SuppressionReason
    expires_at: datetime | None = None

    def stops(self, category: Category, channel: Channel, now: datetime) -> bool:
        """Whether it stops a message of this category.

        Whoever has unsubscribed or complained still gets what nobody can switch off (a password reset, say), except by
        SMS: after STOP operators carry nothing. An address that does not exist gets nothing at all.
        """
        if self.expires_at is not None and self.expires_at <= now:
            return False
        if self.category is not None and self.category is not category:
            return False
        is_will = self.reason in (SuppressionReason.UNSUBSCRIBE, SuppressionReason.COMPLAINT)
        return not (is_will and category in ALWAYS_ON and channel is not Channel.SMS)
