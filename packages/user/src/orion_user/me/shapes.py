"""A user's own profile, and the changes to it that they may make."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, HttpUrl, StringConstraints

from orion_core.http.shapes import RequestShape, ResponseShape
from orion_user.access.shapes import PermissionShape, RoleShape

TIME_ZONES = available_timezones()


def _known_time_zone(name: str) -> str:
    if name not in TIME_ZONES:
        raise ValueError("must be a name of the IANA time zone database, such as Europe/Berlin")
    return name


def _short_enough(url: HttpUrl) -> HttpUrl:
    if len(str(url)) > 2048:
        raise ValueError("must have at most 2048 characters")
    return url


Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")
]
"""One line: control characters in a name are nobody's name, and end up in mail headers."""
Bio = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Url = Annotated[HttpUrl, AfterValidator(_short_enough)]
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


class ProfileChanges(RequestShape):
    """What to change; what is left out stays, and null empties."""

    name: Line | None = None
    bio: Bio | None = None
    location: Line | None = None
    website: Url | None = None
    avatar_url: Url | None = None
    locale: Locale = Field(default="", description="Language of messages and pages (BCP 47).", examples=["de-CH"])
    timezone: TimeZone = Field(default="", description="IANA name.", examples=["Europe/Zurich"])

    def of_profile(self) -> dict[str, Any]:
        """The changes to the profile's row."""
        return self.model_dump(mode="json", exclude_unset=True, exclude={"locale", "timezone"})

    def of_preferences(self) -> dict[str, Any]:
        """The changes to the preferences' row."""
        return self.model_dump(mode="json", exclude_unset=True, include={"locale", "timezone"})
