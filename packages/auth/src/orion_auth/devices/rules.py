"""How far a device is trusted."""

from datetime import datetime
from enum import Enum


class DeviceStatus(Enum):
    """How far the owner trusts it."""

    TRUSTED = "TRUSTED"
    UNTRUSTED = "UNTRUSTED"
    BLOCKED = "BLOCKED"
    PENDING_VERIFICATION = "PENDING_VERIFICATION"


def is_trusted(status: DeviceStatus, trust_expires_at: datetime | None, now: datetime) -> bool:
    """Whether the owner's trust holds at `now`; without an end it holds until he takes it back."""
    return status is DeviceStatus.TRUSTED and (trust_expires_at is None or trust_expires_at > now)
