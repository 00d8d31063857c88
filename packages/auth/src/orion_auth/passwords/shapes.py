"""What is sent to and from the password routes."""

from pydantic import Field

from orion_auth.bearers import DeviceShown
from orion_auth.password_text import NewPassword, Password
from orion_core.http.shapes import RequestShape, ResponseShape


class PasswordChange(RequestShape):
    """Change the password."""

    current_password: Password | None = Field(None, repr=False, examples=["correct horse battery staple"])
    """Left out where an account has no password yet."""
    new_password: NewPassword = Field(repr=False, examples=["wheel granite lantern oboe"])
    """Any 8 to 256 characters, counted in normal form; none is required, none is cut off."""


class ResetRequest(DeviceShown):
    """Ask for a mail to set a new password with; on a device that the account knows, whatever strangers asked for."""

    email: str = Field(min_length=1, max_length=255, examples=["ada@example.com"])


class ResetAccepted(ResponseShape):
    """The same answer whether or not somebody has that address."""

    detail: str


class NewPasswordChosen(RequestShape):
    """The password to set."""

    password: NewPassword = Field(repr=False, examples=["wheel granite lantern oboe"])
    """Any 8 to 256 characters, counted in normal form; none is required, none is cut off."""
