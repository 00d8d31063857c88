"""What is known of a request before any route looks at it."""

import re
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from time import perf_counter
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

from fastapi import Depends
from starlette.requests import Request

from orion_contracts.claims import AccessClaims

if TYPE_CHECKING:
    from orion_core.http.door import Door, Place

IpAddress = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]

LONGEST_USER_AGENT = 500
LONGEST_REQUEST_ID = 64

_WITH_PORT = re.compile(r"(?P<v4>[\d.]+):\d+|\[(?P<v6>[^]]+)\](?::\d+)?", re.ASCII)
"""As some proxies write the address of a hop."""


@dataclass(frozen=True)
class RequestContext:
    """Who asks from where, and the name of this request in the logs."""

    request_id: str
    ip_address: IpAddress
    user_agent: str | None
    method: str
    began: float = field(default_factory=perf_counter)
    """When it arrived, by the clock that measures (`time.perf_counter`)."""


@dataclass
class Exchange:
    """The request that is being answered, for what is written down about it far from the route."""

    context: RequestContext
    claims: AccessClaims | None = None
    """Of the caller, once he is known."""
    door: "Door | None" = None
    """In front of the expensive routes (`orion_core.http.door`)."""
    place: "Place | None" = None
    """Behind it."""

    @property
    def milliseconds(self) -> int:
        """How long it has taken so far."""
        return round((perf_counter() - self.context.began) * 1000)


EXCHANGE: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
"""Set by the edge for each request, and filled in by who examines the caller's token."""


def request_id(incoming: str | None) -> str:
    """The caller's `X-Request-Id` when it is harmless, else a new one."""
    if incoming and len(incoming) <= LONGEST_REQUEST_ID and incoming.isascii() and incoming.replace("-", "").isalnum():
        return incoming
    return str(uuid4())


def client_address(peer: str, forwarded_for: list[str], trusted: Networks) -> IpAddress:
    """The address of the client: the last hop that is not a proxy of ours.

    `X-Forwarded-For` is read from the right, and only while the hop that wrote it is trusted; what a client puts there
    itself is further left and never reached.
    """
    address = _parse(peer) or ip_address("0.0.0.0")  # noqa: S104 - a peer on a Unix socket has no address
    hops = [hop.strip() for line in forwarded_for for hop in line.split(",")]
    while hops and any(address in network for network in trusted):
        hop = _parse(hops.pop())
        if hop is None:
            break
        address = hop
    return address


@lru_cache(4096)
def _parse(text: str) -> IpAddress | None:
    written = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address(written["v4"] or written["v6"] if written else text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))  # without a zone (fe80::1%eth0), which inet cannot hold
    return address


async def _context(request: Request) -> RequestContext:
    # A coroutine, though it waits for nothing: FastAPI takes what is none to a thread and back, in every request.
    return request.scope["orion.context"]


Context = Annotated[RequestContext, Depends(_context)]
"""The context of the request, as a parameter of a route."""
