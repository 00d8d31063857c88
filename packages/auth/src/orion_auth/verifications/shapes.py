"""What is sent to and from the verification routes."""

from typing import Annotated

from pydantic import Field, StringConstraints

from orion_core.http.shapes import RequestShape, ResponseShape


class VerificationRequest(RequestShape):
    """Ask for another verification mail."""

    email: str = Field(min_length=3, max_length=255, examples=["ada@example.com"])


class VerificationAccepted(ResponseShape):
    """The same answer whether or not there is anything to verify."""

    detail: str


class CodeConfirmation(RequestShape):
    """Verify an address with the code from the mail."""

    email: str = Field(min_length=3, max_length=255, examples=["ada@example.com"])
    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] = Field(examples=["042317"], repr=False)
