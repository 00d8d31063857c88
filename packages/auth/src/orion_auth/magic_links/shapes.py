"""What is sent to and from the routes of sign-in mails."""

from typing import Annotated

from pydantic import Field, StringConstraints

from orion_auth.bearers import DeviceShown, SigningIn
from orion_core.http.shapes import ResponseShape

Handle = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class SignInMailRequest(DeviceShown):
    """Ask for a mail to sign in with; on a device that the account knows, whatever strangers have asked for."""

    email: str = Field(min_length=1, max_length=255, examples=["ada@example.com"])


class SignInMailAccepted(ResponseShape):
    """The same answer whether or not somebody has that address."""

    sign_in: str
    """Names this sign-in, for whoever asked for it: the code in the mail is good only together with it."""
    expires_in: int
    """Seconds that the link and the code are good for."""
    detail: str


class CodeSignIn(SigningIn):
    """Sign in with the code of a mail, where the mail was asked for."""

    sign_in: Handle = Field(repr=False)
    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] = Field(examples=["042317"], repr=False)


class LinkSignIn(SigningIn):
    """Sign in with the token in the link of a mail."""

    token: Handle = Field(repr=False)
