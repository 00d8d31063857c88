"""What attempts are made with, and what comes of them."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from uuid import UUID


class LoginMethod(Enum):
    """What was shown first."""

    PASSWORD = "PASSWORD"
    PASSKEY = "PASSKEY"
    MAGIC_LINK = "MAGIC_LINK"
    EMAIL_CODE = "EMAIL_CODE"
    SOCIAL = "SOCIAL"


class LoginAttemptStatus(Enum):
    """BLOCKED: refused by a rule before or in spite of a correct password; SUSPICIOUS: let through, but remarkable."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    BLOCKED = "BLOCKED"
    SUSPICIOUS = "SUSPICIOUS"


@dataclass(frozen=True)
class Wanted:
    """Which attempts are looked for; all of it has to be met."""

    user_id: UUID | None = None
    email: str | None = None
    network: IPv4Network | IPv6Network | None = None
    status: LoginAttemptStatus | None = None
    is_suspicious: bool | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def has_order_of_time(self) -> bool:
        """Whether an index by time serves it; otherwise ids do, which follow the time."""
        return bool(self.user_id or self.email or self.network or self.is_suspicious)
