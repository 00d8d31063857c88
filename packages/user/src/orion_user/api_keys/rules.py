"""When a key is good, from where, how often, and until when."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

LIFETIME = timedelta(days=90)
"""How long a key is good when its maker does not say."""
LONGEST_LIFETIME = timedelta(days=366)
"""No key is for ever: one that nobody remembers should end."""
OVERLAP_HOURS = 24
LONGEST_OVERLAP_HOURS = 7 * 24
"""For so long at most both keys are good after a rotation, so that it can be carried to every machine."""
MOST_KEYS = 50
"""Good keys of one owner."""
MOST_SCOPES = 100
MOST_CIDRS = 50
LARGEST_RATE = 100_000

RECENT = timedelta(minutes=15)
"""How fresh a proof of who somebody is must be before a key is made: a key outlives the session that made it."""

MOST_REPORTS = 60
"""Reports of found keys from one network in a minute: more than anybody finds by hand."""

Network = IPv4Network | IPv6Network
KeyStatus = Literal["ACTIVE", "ROTATED", "EXPIRED", "REVOKED"]
"""ROTATED: it has a successor and is good until its overlap is over."""


@dataclass(frozen=True)
class Ends:
    """All by which a key may end."""

    expires_at: datetime | None
    overlap_until: datetime | None
    revoked_at: datetime | None

    @property
    def by_itself_at(self) -> datetime | None:
        """When it ends unless it is revoked before."""
        ends = [end for end in (self.expires_at, self.overlap_until) if end is not None]
        return min(ends, default=None)

    def status(self, now: datetime) -> KeyStatus:
        """What it is at `now`."""
        if self.revoked_at is not None:
            return "REVOKED"
        if self.by_itself_at is not None and self.by_itself_at <= now:
            return "EXPIRED"
        return "ACTIVE" if self.overlap_until is None else "ROTATED"

    def is_good(self, now: datetime) -> bool:
        """Whether it opens anything at `now`."""
        return self.status(now) in ("ACTIVE", "ROTATED")


def admits(allowed: Collection[Network], address: IPv4Address | IPv6Address) -> bool:
    """Whether a key with this allow-list may be used from there; an empty list allows everywhere."""
    return not allowed or any(address in network for network in allowed)


def successor_expires_at(created_at: datetime, expires_at: datetime | None, now: datetime) -> datetime:
    """The end of a key's successor: it lives as long as its predecessor was meant to."""
    lifetime = expires_at - created_at if expires_at is not None else LONGEST_LIFETIME
    return now + min(lifetime, LONGEST_LIFETIME)
