"""Who may come in, and for how long."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from orion_auth.identities.rules import Standing

SESSION_LIFETIME = timedelta(days=30)
"""A session ends this long after it began, however often it is refreshed."""

REFUSAL_MARGIN = timedelta(seconds=30)
"""How much longer than its tokens live a session's end is remembered, for clocks that are apart."""

Reason = Literal["UNKNOWN_IDENTITY", "WRONG_PASSWORD", "UNVERIFIED", "LOCKED", "SUSPENDED"]


@dataclass(frozen=True)
class Decision:
    """What comes of an attempt: in, or not and why. FAILED: not proved who; BLOCKED: proved, but may not come in."""

    outcome: Literal["SUCCESS", "FAILED", "BLOCKED"]
    reason: Reason | None = None


def decide(standing: Standing | None, password_is_right: bool) -> Decision:
    """Decide on a sign-in; `standing` is None for an identity that is not there.

    Only somebody who knows the password learns that an account is locked or suspended.
    """
    if standing is None:
        return Decision("FAILED", "UNKNOWN_IDENTITY")
    if not password_is_right:
        return Decision("FAILED", "WRONG_PASSWORD")
    return Decision("SUCCESS") if standing == "GOOD" else Decision("BLOCKED", standing)
