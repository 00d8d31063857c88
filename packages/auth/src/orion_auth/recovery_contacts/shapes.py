"""What is sent to and from the routes of recovery contacts."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from orion_core.http.shapes import RequestShape, ResponseShape

Channel = Literal["EMAIL", "SMS"]


class RecoveryEmail(RequestShape):
    """Have a code sent to the address that is to serve for recovery."""

    email: str = Field(min_length=3, max_length=255, examples=["ada@another.example"])


class RecoveryPhone(RequestShape):
    """Have a code sent to the phone that is to serve for recovery."""

    phone: str = Field(min_length=4, max_length=40, examples=["+47 912 34 567"])


class ContactCodeSent(ResponseShape):
    """A code is on its way."""

    detail: str
    expires_in: int
    """Seconds that it is good for."""


class ContactConfirmation(RequestShape):
    """The code that was sent, and by which way."""

    channel: Channel = Field(examples=["EMAIL"])
    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] = Field(examples=["042317"], repr=False)


class RecoveryContactsState(ResponseShape):
    """Where the caller's account is recovered when its second factors are lost."""

    email: str | None
    email_verified_at: datetime | None
    phone: str | None
    phone_verified_at: datetime | None
    delay_hours: int
    """How long a recovery waits before it can be completed."""
