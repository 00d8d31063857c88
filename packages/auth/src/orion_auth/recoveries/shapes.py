"""What is sent to and from the routes of recoveries."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from orion_core.http.shapes import RequestShape, ResponseShape

Challenge = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""Names the half-finished sign-in, whose first proof was good. It is a secret, so it stands in the body."""


class NewRecovery(RequestShape):
    """Ask to get in without the second factors, which are lost."""

    challenge: Challenge = Field(repr=False)


class RecoveryState(ResponseShape):
    """A recovery that is under way."""

    requested_at: datetime
    ready_at: datetime
    """It cannot be completed before; until then, and after, its owner can refuse it."""
    expires_at: datetime
    """It lapses when it is not completed by then."""
    email_hint: str | None
    """Which mailbox a code can be sent to, such as `g…@example.com`."""
    phone_hint: str | None
    """Which phone, such as `…67`."""


class RecoveryCode(RequestShape):
    """Have the code sent that completes a recovery."""

    challenge: Challenge = Field(repr=False)
    channel: Literal["EMAIL", "SMS"] = Field(examples=["EMAIL"])


class RecoveryCodeSent(ResponseShape):
    """A code is on its way."""

    detail: str
    expires_in: int
    """Seconds that it is good for."""


class RecoveryCompletion(RequestShape):
    """Complete a recovery."""

    challenge: Challenge = Field(repr=False)
    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] = Field(examples=["042317"], repr=False)


class RecoveryCompleted(ResponseShape):
    """The second factors are gone, and all sessions with them."""

    detail: str
