"""Bodies of the routes of throttles."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field

from orion_core.http.shapes import RequestShape, ResponseShape
from orion_notifications.labels import ChannelLabel, TypeName, label


class ThrottleChange(RequestShape):
    """At most so many messages of a type to one user in each window."""

    type: TypeName
    channel: ChannelLabel | None = None
    """By this channel; null: by all together."""
    most: int = Field(ge=1, le=1_000_000)
    window_seconds: int = Field(ge=1, le=31 * 86400)
    excess: Literal["DEFER", "REJECT"] = "DEFER"
    """Wait for the next window, or end."""


class ThrottleShape(ResponseShape):
    """One throttle."""

    id: UUID
    type: str
    channel: Annotated[ChannelLabel | None, BeforeValidator(label)]
    most: int
    window_seconds: int
    excess: Annotated[str, BeforeValidator(label)]


class ThrottlesShape(ResponseShape):
    """All throttles."""

    items: list[ThrottleShape]
