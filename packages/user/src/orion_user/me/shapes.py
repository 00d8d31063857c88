"""A user's own profile, and the changes to it that they may make."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StringConstraints

from orion_core.http.shapes import ResponseShape
from orion_user.access.shapes import PermissionShape, RoleShape
from orion_user.users.shapes import ProfileFields

TIME_ZONES = available_timezones()


def _known_time_zone(name: str) -> str:
    if name not in TIME_ZONES:
        raise ValueError("must be a name of the IANA time zone database, such as Europe/Berlin")
    return name


TimeZone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_known_time_zone)]
Locale = Annotated[str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
"""A BCP 47 tag of the usual kinds: language, script, region, variants."""


class MeShape(ResponseShape):
    """A user as they see themselves."""

    id: UUID
    email: str
    username: str | None
    name: str | None
    phone: str | None
    avatar_url: str | None
    bio: str | None
    location: str | None
    website: str | None
    social_links: dict[str, Any]
    locale: str
    timezone: str
    status: str
    email_verified_at: datetime | None
    phone_verified_at: datetime | None
    last_login_at: datetime | None
    created_at: datetime
    roles: list[RoleShape]
    permissions: list[PermissionShape]


class ProfileChanges(ProfileFields):
    """What to change; what is left out stays, and null empties."""

    locale: Locale = Field(default="", description="Language of messages and pages (BCP 47).", examples=["de-CH"])
    timezone: TimeZone = Field(default="", description="IANA name.", examples=["Europe/Zurich"])

    def of_preferences(self) -> dict[str, Any]:
        """The changes to the preferences' row."""
        return self.model_dump(mode="json", exclude_unset=True, include={"locale", "timezone"})
