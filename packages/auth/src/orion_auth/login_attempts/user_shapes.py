"""What a user is told of the sign-ins to his account."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from orion_core.http.shapes import ResponseShape


class SignInReason(ResponseShape):
    """One thing that spoke against an attempt."""

    signal: str
    weight: int
    detail: str
    """In plain words."""


class SignInShape(ResponseShape):
    """One attempt to sign in to the account, by whomever."""

    id: UUID
    attempted_at: datetime
    outcome: Literal["SUCCESS", "FAILED", "BLOCKED", "SUSPICIOUS"]
    """SUSPICIOUS: let in, though something spoke against it; BLOCKED: stopped in spite of a good proof."""
    method: str
    second_factor: str | None
    ip_address: str | None
    country: str | None
    region: str | None
    city: str | None
    device_id: str | None
    device: str | None
    """What the client said it is."""
    risk_score: int
    reasons: list[SignInReason]


class SignInList(ResponseShape):
    """One page of attempts, the latest first."""

    items: list[SignInShape]
    next: str | None
    """Cursor of the next page; null on the last one."""
