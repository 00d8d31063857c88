"""What an address is: one place on the network, public or near."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IPV6_SITE_BITS = 64
"""One subscriber has a /64 at least, so counting single IPv6 addresses would count nothing."""

_NAT64 = IPv6Network("64:ff9b::/96")
_NEVER = (
    IPv4Network("169.254.0.0/16"),  # 169.254.169.254 everywhere, 169.254.170.2 and .23 in Amazon's ECS and EKS
    IPv6Network("fe80::/10"),
    IPv4Network("168.63.129.16/32"),  # Azure
    IPv4Network("100.100.100.200/32"),  # Alibaba
    IPv4Network("192.0.0.192/32"),  # Oracle; public to a Python before 3.11.10 and 3.12.4
    # Amazon: EC2 at ::254, EKS at ::23; the prefix is its own in every network of its customers
    IPv6Network("fd00:ec2::/32"),
    IPv6Network("fd20:ce::/64"),  # Google, at ::254
    IPv6Network("fd00:c1::a9fe:a9fe/128"),  # Oracle
    IPv6Network("fd00:100::100:200/128"),  # Alibaba
    IPv6Network("fd00:42::42/128"),  # Scaleway
    IPv6Network("fd00:a9fe:a9fe::1/128"),  # Linode
)
"""Where clouds' metadata services are, which give credentials away; some addresses look public, shared or private."""
_LOCAL = (
    IPv4Network("127.0.0.0/8"),
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
)


def network(address: IPv4Address | IPv6Address) -> str:
    """What counts as one place on the network."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, IPV6_SITE_BITS), strict=False))


def network_in_sql(address: str) -> str:
    """The same of an `inet` expression, for an index and for what is looked for along it."""
    return f"network(set_masklen({address}, CASE family({address}) WHEN 4 THEN 32 ELSE {IPV6_SITE_BITS} END))"


def may_be_reached(address: IPv4Address | IPv6Address, *, local: bool) -> bool:
    """Whether we connect there: to the public internet, and to loopback and private networks where that was said.

    Never to a cloud's metadata service or to another link-local address, not even by an IPv6 address that carries an
    IPv4 one.
    """
    address = _carried(address)
    if any(address in never for never in _NEVER):
        return False
    if local and is_near(address):
        return True
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_near(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is on this machine or in a private network."""
    address = _carried(address)
    return any(address in near for near in _LOCAL)


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is written as; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _carried(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address inside an IPv6 one, where that is where packets end."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
