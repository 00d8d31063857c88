"""What is sent to and from registration."""

from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StringConstraints

from orion_auth.password_text import NewPassword
from orion_core.http.shapes import RequestShape, ResponseShape
from orion_core.person_names import PersonName

_TIME_ZONES = frozenset(available_timezones())


def _known_time_zone(name: str) -> str:
    if name not in _TIME_ZONES:
        raise ValueError("not a name of the IANA time zone database, such as Europe/Berlin")
    return name


TimeZoneName = Annotated[str, AfterValidator(_known_time_zone)]
Username = Annotated[
    str, StringConstraints(to_lower=True, pattern=r"^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,48}[a-zA-Z0-9])?$")
]
Locale = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}$", max_length=35)]


class Registration(RequestShape):
    """What somebody registers with."""

    email: str = Field(min_length=3, max_length=255, examples=["ada@example.com"])
    password: NewPassword = Field(repr=False, examples=["correct horse battery staple"])
    """Any 8 to 256 characters; none is required, none is cut off."""
    username: Username | None = Field(None, examples=["ada"])
    name: PersonName | None = Field(None, max_length=100, examples=["Ada Lovelace"])
    locale: Locale = Field("en", examples=["de-AT"])
    timezone: TimeZoneName = Field("UTC", max_length=64, examples=["Europe/Vienna"])


class RegistrationAccepted(ResponseShape):
    """The same answer whether or not the address had an account."""

    detail: str
