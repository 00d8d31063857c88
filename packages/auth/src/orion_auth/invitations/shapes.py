"""What is sent to and from the routes of invitations."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from orion_auth.password_text import NewPassword
from orion_auth.registrations.shapes import Locale, TimeZoneName, Username
from orion_core.http.shapes import RequestShape, ResponseShape
from orion_core.person_names import PersonName


class NewInvitation(RequestShape):
    """Whom to invite."""

    email: str = Field(min_length=3, max_length=255, examples=["grace@example.com"])
    username: Username | None = Field(None, examples=["grace"])
    name: PersonName | None = Field(None, max_length=100, examples=["Grace Hopper"])
    locale: Locale = Field("en", examples=["en-US"])
    timezone: TimeZoneName = Field("UTC", max_length=64, examples=["America/New_York"])


class InvitationState(ResponseShape):
    """An invitation that was sent, and that nobody has accepted or taken back."""

    id: UUID
    user_id: UUID = Field(description="The account that waits for whoever is invited.")
    email: str
    invited_by: str = Field(description="Who sent it: a user's id, or `operator`.")
    expires_at: datetime


class Acceptance(RequestShape):
    """The password of whoever accepts."""

    password: NewPassword = Field(repr=False, examples=["correct horse battery staple"])
