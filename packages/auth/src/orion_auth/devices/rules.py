"""How far a device is trusted."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

MOST_UNTRUSTED = 30
"""Untrusted devices that are remembered of a user; of more, the one that was seen longest ago is forgotten."""


class DeviceStatus(Enum):
    """How far the owner trusts it."""

    TRUSTED = "TRUSTED"
    UNTRUSTED = "UNTRUSTED"
    BLOCKED = "BLOCKED"
    PENDING_VERIFICATION = "PENDING_VERIFICATION"


@dataclass(frozen=True)
class KnownDevice:
    """A device that a user has signed in from and has not blocked."""

    name: str
    """The user's id and the device's."""
    is_proved: bool
    """By the secret that only it was given; otherwise it is known by its id, which can be copied."""

    @property
    def owner(self) -> str:
        """The id of the user whose device it is."""
        return self.name.partition(" ")[0]


def is_trusted(status: DeviceStatus, trust_expires_at: datetime | None, now: datetime) -> bool:
    """Whether the owner's trust holds at `now`; without an end it holds until he takes it back."""
    return status is DeviceStatus.TRUSTED and (trust_expires_at is None or trust_expires_at > now)


def is_proved(expected: bytes | None, shown: bytes | None) -> bool:
    """Whether a client is the device that was trusted: its id can be copied, the secret only it was given.

    Both are hashes; compared in constant time.
    """
    return expected is not None and shown is not None and hmac.compare_digest(expected, shown)


def has_changed(fingerprint: str | None, shown: str | None) -> bool:
    """Whether a client under a known id looks like another one than before."""
    return fingerprint is not None and shown is not None and fingerprint != shown
