"""The form of our opaque tokens, `selector.secret`, of which only the selector is kept in the clear; and what a refresh
token means that is shown again."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from orion_core.networks import network

MOST_CODE_TRIES = 5
"""At the short code of one mail."""

_FORM = re.compile(r"([A-Za-z0-9_-]{16,64})\.([A-Za-z0-9_-]{32,128})")


@dataclass(frozen=True)
class BearerToken:
    """A token as its bearer shows it."""

    selector: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """The token as it is handed out."""
        return f"{self.selector}.{self.secret}"


def parse(text: str) -> BearerToken | None:
    """The parts of a token, or None when it cannot be one of ours."""
    match = _FORM.fullmatch(text)
    return BearerToken(match[1], match[2]) if match else None


GRACE = timedelta(seconds=30)
"""For so long after its rotation a refresh token still gives its client the successor that it gave then.

Two tabs refresh at the same moment, or an answer is lost: neither is theft. Long enough for a client that tries again
after a timeout, short against the ten minutes between two refreshes.
"""


class TokenStatus(Enum):
    """USED: did its one work; EXPIRED: clean-up found that nobody had used it in time (`idle_until`)."""

    ACTIVE = "ACTIVE"
    USED = "USED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


ShownAgain = Literal["SAME_SUCCESSOR", "REFUSED", "REUSED"]
"""What becomes of a refresh token that could not be rotated: its successor once more, nothing, or the session's end."""


@dataclass(frozen=True)
class Rotated:
    """A refresh token that was rotated, and what has become of its successor."""

    at: datetime
    by: bytes | None
    """The client that did it (see `client_digest`)."""
    expires_at: datetime
    """The end of the session, however it is refreshed."""
    successor: TokenStatus
    successor_used_by: bytes | None
    successor_idle_until: datetime | None
    is_welcome: bool
    """Whether its owner may still come in."""


def shown_again(rotated: Rotated, client: bytes, now: datetime) -> ShownAgain:
    """Judge a refresh token that is shown after its rotation.

    The client that rotated it may have lost the answer, or be a second tab, for as long as `GRACE`. It gets the same
    successor while nobody has used that, so a line never has two living tokens. Everything else is a copy in other
    hands, and whoever shows it cannot be told from whoever should have it.
    """
    if now >= rotated.expires_at or rotated.successor not in (TokenStatus.ACTIVE, TokenStatus.USED):
        return "REFUSED"
    if now >= rotated.at + GRACE or client != rotated.by:
        return "REUSED"
    if rotated.successor is TokenStatus.USED:
        return "REFUSED" if rotated.successor_used_by == client else "REUSED"
    is_idle = rotated.successor_idle_until is not None and now >= rotated.successor_idle_until
    return "REFUSED" if is_idle or not rotated.is_welcome else "SAME_SUCCESSOR"


def client_digest(
    jkt: str | None, device_id: str | None, user_agent: str | None, address: IPv4Address | IPv6Address
) -> bytes:
    """What tells one client from another: its key, when it has proved to hold one, else all that it shows."""
    traits = ("key", jkt) if jkt is not None else ("traits", device_id, user_agent, network(address))
    return sha256(repr(traits).encode()).digest()
