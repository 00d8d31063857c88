"""What counts as one place on the network."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

IPV6_SITE_BITS = 64
"""One subscriber has a /64 at least, so counting single IPv6 addresses would count nothing."""


def network(address: IPv4Address | IPv6Address) -> str:
    """What counts as one place on the network."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, IPV6_SITE_BITS), strict=False))
