"""Whose account somebody gets who comes by a provider, and where he is sent back to."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

JOURNEY = timedelta(minutes=10)
"""From the start to the provider's answer: time enough to sign in there, with a second factor."""
PROVED = timedelta(minutes=10)
"""From the answer to its use: time enough for a code by mail, or to sign in here before linking."""
MOST_TRIES = 5
"""Guesses at a code sent by mail."""

LONGEST_RETURN_TO = 1500


# -------------------------------------------------------------------------------------------------------- whose account


@dataclass(frozen=True)
class Arrival:
    """Somebody whom a provider has vouched for."""

    linked_to: UUID | None
    """Who has linked this very account of the provider."""
    signed_in: UUID | None
    """Who is signed in here and wants to link it; None for whoever wants to sign in."""
    email: str | None
    """The address that the provider names, or that he says himself where it names none; normalised."""
    email_is_proved: bool
    """The provider is trusted to have verified it, or he has typed the code that we mailed there."""
    email_is_authoritative: bool
    """The provider has verified it, and an administrator has said that it alone decides who has addresses like it."""
    holder: UUID | None
    """Whose account has that address here."""
    holder_is_verified: bool


Decision = Literal[
    "SIGN_IN",
    "LINK",
    "ALREADY_LINKED",
    "LINKED_ELSEWHERE",
    "AUTO_LINK",
    "CREATE",
    "CLAIM",
    "SIGN_IN_FIRST",
    "PROVE_EMAIL",
    "NAME_EMAIL",
]
"""What becomes of an arrival. CLAIM: an account that nobody had verified becomes his, without its password."""


def decide(arrival: Arrival) -> Decision:
    """Whose account it is. An address alone never leads into an account that somebody else may have."""
    if arrival.signed_in is not None:
        if arrival.linked_to is None:
            return "LINK"
        return "ALREADY_LINKED" if arrival.linked_to == arrival.signed_in else "LINKED_ELSEWHERE"
    if arrival.linked_to is not None:
        return "SIGN_IN"
    if arrival.email is None:
        return "NAME_EMAIL"
    if not arrival.email_is_proved:
        return "PROVE_EMAIL"
    if arrival.holder is None:
        return "CREATE"
    if not arrival.holder_is_verified:
        return "CLAIM"
    return "AUTO_LINK" if arrival.email_is_authoritative else "SIGN_IN_FIRST"


def is_of_domain(email: str, domains: Sequence[str]) -> bool:
    """Whether the address is of one of these very domains; one below them is another."""
    return email.rpartition("@")[2] in domains


# ------------------------------------------------------------------------------------------------------------- where to


def may_return_to(url: str, allowed: Sequence[str]) -> bool:
    """Whether the browser may be sent there: to the origin of an allowed URL, at its path or below it.

    No user, no fragment, nothing that browsers read in another way than we do (backslashes, spaces, control characters,
    dots that climb).
    """
    if len(url) > LONGEST_RETURN_TO or not re.fullmatch(r"[\x21-\x7e]+", url) or "\\" in url or "#" in url:
        return False
    parts = _split(url)
    if parts is None or _climbs(parts.path):
        return False
    return any(_is_below(parts, base) for entry in allowed if (base := _split(entry)) is not None)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    good = parts.scheme in ("https", "http") and bool(parts.hostname) and "@" not in parts.netloc
    return parts if good else None


def _climbs(path: str) -> bool:
    return any(re.fullmatch(r"(\.|%2e){1,2}", part, re.IGNORECASE) for part in path.split("/"))


def _is_below(parts: SplitResult, base: SplitResult) -> bool:
    path = base.path.rstrip("/")
    same_origin = (parts.scheme, parts.netloc.lower()) == (base.scheme, base.netloc.lower())
    return same_origin and (parts.path == path or parts.path.startswith(path + "/"))


def with_parameters(url: str, parameters: dict[str, str]) -> str:
    """The URL with these parameters in its query, in place of any of the same name."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in parameters]
    return urlunsplit(parts._replace(query=urlencode([*kept, *parameters.items()])))


# -------------------------------------------------------------------------------------------------------------- keeping

AHEAD = timedelta(minutes=5)
"""How long before their end tokens are refreshed."""
LEASE = timedelta(minutes=2)
"""How long one process may take for it before another one tries."""
SHORTEST_REST = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)
SYNC_EVERY = timedelta(hours=24)
SYNC_RETRY = timedelta(hours=1)


def rested_at(expires_at: datetime | None, now: datetime) -> datetime:
    """Until when tokens that have just come are left alone: for half of their life.

    Some providers' live no longer than `AHEAD` (five minutes, say), so that without it they were due at once again.
    """
    return now + (SHORTEST_REST if expires_at is None else max((expires_at - now) / 2, SHORTEST_REST))


def pause_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: twice as long each time, from a minute to six hours."""
    return min(timedelta(minutes=1) * 2 ** min(max(failures - 1, 0), 12), LONGEST_PAUSE)
