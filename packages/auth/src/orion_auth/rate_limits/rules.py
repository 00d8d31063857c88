"""Whom a limit is counted for, and where somebody stands under it."""

import math
from datetime import datetime
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Network

IPV6_SITE_BITS = 64
"""One subscriber has a /64 at least, so counting single IPv6 addresses would count nothing."""


class RateLimitKeyType(Enum):
    """Whom a limit is counted for."""

    USER = "USER"
    IP = "IP"
    EMAIL = "EMAIL"
    API_KEY = "API_KEY"
    GLOBAL = "GLOBAL"


def network(address: IPv4Address | IPv6Address) -> str:
    """What counts as one place on the network."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, IPV6_SITE_BITS), strict=False))


def from_somewhere(whose: str, address: IPv4Address | IPv6Address) -> str:
    """Counts an account for each network apart, so that nobody can use up its owner's tries from elsewhere."""
    return f"{whose}@{network(address)}"


def seconds_until(moment: datetime, now: datetime) -> int:
    """Whole seconds, at least one."""
    return max(1, math.ceil((moment - now).total_seconds()))
