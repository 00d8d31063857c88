"""What is sent to and from the session routes."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from orion_core.http.shapes import RequestShape, ResponseShape


class SignIn(RequestShape):
    """Sign in with a password."""

    email: str = Field(min_length=1, max_length=255, examples=["ada@example.com"])
    password: str = Field(min_length=1, max_length=256, repr=False, examples=["correct horse battery staple"])
    device_id: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")] | None = Field(
        None, examples=["6f1c9f0e-laptop"]
    )
    """The client's own stable name for the device it runs on."""


class SessionGranted(ResponseShape):
    """A new session: a token to work with, and one to get the next with."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    """Seconds the access token is good for."""
    refresh_token: str
    refresh_expires_in: int
    """Seconds until the session ends, however often it is refreshed."""
    session_id: UUID
    user_id: UUID
