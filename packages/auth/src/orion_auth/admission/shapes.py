"""What is sent to and from the routes that let somebody in."""

from typing import Annotated

from pydantic import Field, StringConstraints

from orion_auth.password_text import Password
from orion_core.http.shapes import RequestShape

DeviceId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]
"""The client's own stable name for the device it runs on."""


class SignIn(RequestShape):
    """Sign in with a password."""

    email: str = Field(min_length=1, max_length=255, examples=["ada@example.com"])
    password: Password = Field(repr=False, examples=["correct horse battery staple"])
    device_id: DeviceId | None = Field(None, examples=["6f1c9f0e-laptop"])
