"""What is sent to and from the routes of phone numbers."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from orion_core.http.shapes import RequestShape, ResponseShape


class PhoneChangeRequest(RequestShape):
    """Have a code sent to the number that is to be the account's."""

    phone: str = Field(min_length=4, max_length=40, examples=["+47 912 34 567"])


class PhoneChangeAccepted(ResponseShape):
    """The same answer whether or not somebody else has the number."""

    detail: str
    expires_in: int
    """Seconds that the code is good for."""


class PhoneConfirmation(RequestShape):
    """The code that was sent."""

    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] = Field(examples=["042317"], repr=False)


class PhoneState(ResponseShape):
    """The phone number of the caller's account."""

    phone: str | None
    """E.164; None when there is none."""
    verified_at: datetime | None
    """When its owner showed that it is his."""
