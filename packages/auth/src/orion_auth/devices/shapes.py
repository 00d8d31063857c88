"""What is sent to and from the routes of a user's devices."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from orion_core.http.shapes import RequestShape, ResponseShape


class DeviceShape(ResponseShape):
    """A device that the user has signed in from."""

    id: UUID
    device_id: str
    name: str | None
    type: Literal["DESKTOP", "MOBILE", "TABLET", "TV", "BOT", "UNKNOWN"]
    os: str | None
    os_version: str | None
    browser: str | None
    browser_version: str | None
    status: Literal["TRUSTED", "UNTRUSTED", "BLOCKED"]
    trusted_until: datetime | None
    last_ip_address: str | None
    last_country: str | None
    last_city: str | None
    first_seen_at: datetime
    last_seen_at: datetime
    login_count: int


class DeviceList(ResponseShape):
    """All devices of a user, the one seen last first."""

    items: list[DeviceShape]


class DeviceChanges(RequestShape):
    """What a user may change of a device."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)] = Field(
        examples=["Ada's laptop"]
    )


class TrustGiven(ResponseShape):
    """A device is trusted: it is spared the second factor as long as it shows this secret with its `device_id`."""

    device_secret: str = Field(repr=False)
    """Shown once. A browser has it as an HttpOnly cookie too and need not keep it."""
    trusted_until: datetime
