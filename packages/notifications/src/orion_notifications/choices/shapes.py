"""Bodies of the routes of choices."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from orion_contracts.types import TimeZone
from orion_core.http.shapes import Moment, RequestShape, ResponseShape
from orion_core.tables import IpAddress
from orion_notifications.kinds import ALWAYS_ON
from orion_notifications.labels import CategoryLabel, ChannelLabel, Label, TypeName, label
from orion_notifications.notifications.shapes import LocalTime
from orion_notifications.preferences.actions import is_zone

FrequencyLabel = Literal["HOURLY", "DAILY", "WEEKLY"]
Weekday = Annotated[int, Field(ge=1, le=7)]
REQUIRED = frozenset(category.name for category in ALWAYS_ON)
Hours = Annotated[list[LocalTime], Field(min_length=2, max_length=2)]


def _zone(value: str) -> str:
    if not is_zone(value):
        raise ValueError("an unknown zone; use a name of the IANA database, such as Europe/Berlin")
    return value


def _differ(start: str, end: str) -> None:
    if start == end:
        raise ValueError("quiet hours begin and end at different times")


class QuietHoursShape(RequestShape):
    """When not to be disturbed: local times that may pass midnight, and then belong to the day they begin on."""

    enabled: bool
    start: LocalTime
    end: LocalTime
    timezone: TimeZone | None = None
    """Null: the user's own."""
    days: Annotated[list[Weekday], Field(max_length=7)] = Field(default_factory=lambda: list(range(1, 8)))
    """ISO weekdays, Monday is 1."""
    overrides: dict[Literal["1", "2", "3", "4", "5", "6", "7"], Hours | None] = Field(default_factory=dict)
    """Other hours on single weekdays, or none."""

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        _differ(self.start, self.end)
        for hours in self.overrides.values():
            if hours is not None:
                _differ(*hours)
        return self

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, value: str | None) -> str | None:
        return value if value is None else _zone(value)


class Choices(RequestShape):
    """What is to be changed; what is not named stays as it is, what is named is replaced."""

    categories: dict[CategoryLabel, dict[ChannelLabel, bool]] | None = None
    types: Annotated[dict[TypeName, dict[ChannelLabel, bool]], Field(max_length=200)] | None = None
    quiet_hours: QuietHoursShape | None = None
    digests: dict[CategoryLabel, FrequencyLabel] | None = None
    """Categories that are told of together, by mail."""
    digest_at: LocalTime | None = None
    timezone: TimeZone | None = None
    refuses_tracking: bool | None = Field(default=None, strict=True)
    """Whether nobody is to know which mails the user opens and which links in them he follows."""

    @model_validator(mode="after")
    def _leave_what_is_required(self) -> Self:
        off = [name for name, ways in (self.categories or {}).items() if name in REQUIRED and False in ways.values()]
        if off:
            raise ValueError(f"{', '.join(off)} cannot be switched off: whoever got into the account would do so first")
        if self.digests and not REQUIRED.isdisjoint(self.digests):
            raise ValueError(f"{', '.join(sorted(REQUIRED))} come at once")
        return self

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, value: str | None) -> str | None:
        return value if value is None else _zone(value)


class ChoicesShape(ResponseShape):
    """All that has a say in what reaches the user."""

    channels: dict[str, bool]
    """The switch of each channel, as chosen in user's preferences."""
    muted: dict[str, dict[str, bool]]
    """By category, as chosen in user's preferences."""
    categories: dict[str, dict[str, bool]]
    types: dict[str, dict[str, bool]]
    required: list[str]
    """What nobody can switch off."""
    quiet_hours: dict[str, Any] | None
    digests: dict[str, str]
    digest_at: str
    refuses_tracking: bool
    locale: str
    timezone: str


class ConsentShape(ResponseShape):
    """That somebody has agreed to messages, or takes it back."""

    id: UUID
    user_id: UUID | None
    channel: Annotated[ChannelLabel, BeforeValidator(label)]
    category: Annotated[CategoryLabel, BeforeValidator(label)]
    is_given: bool
    source: Label
    notification_id: UUID | None
    ip_address: IpAddress | None
    occurred_at: datetime


class Address(RequestShape):
    """An address by a channel."""

    channel: ChannelLabel
    recipient: Annotated[str, StringConstraints(min_length=1, max_length=2048)]


class NewSuppression(Address):
    """An address that is not to be written to; of one category, or of any without it."""

    category: CategoryLabel | None = None
    expires_at: Moment | None = None


class SuppressionShape(ResponseShape):
    """Why an address is not written to. The address itself is not kept."""

    channel: ChannelLabel
    category: Annotated[CategoryLabel | None, BeforeValidator(label)]
    reason: Label
    expires_at: datetime | None


class SuppressionsShape(ResponseShape):
    """All that stands against an address."""

    items: list[SuppressionShape]


class ConsentsShape(ResponseShape):
    """What a user or an address has said, the last first."""

    items: list[ConsentShape]
