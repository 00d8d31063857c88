"""Rules as administrators write and see them, and what a simulation says."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from orion_core.http.shapes import RequestShape, ResponseShape
from orion_notifications.kinds import ChannelRule
from orion_notifications.labels import ChannelLabel, PriorityLabel, TypeName, label
from orion_notifications.notifications.shapes import JudgementShape, Line

ChannelRuleLabel = Literal["ALL", "FIRST", "ESCALATE"]
assert {each.name for each in ChannelRule} == set(ChannelRuleLabel.__args__)

Fact = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[A-Za-z0-9_]+)*$", max_length=60)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
EventType = Annotated[str, StringConstraints(max_length=120)]
Condition = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Channels = Annotated[list[ChannelLabel], Field(min_length=1, max_length=7)]
Seconds = Annotated[int, Field(ge=1, le=7 * 86400)]
Text = Annotated[str, StringConstraints(max_length=1000)]
OncePer = Annotated[Line, Field(min_length=1, max_length=200)]


class SourceShape(RequestShape):
    """Where a value comes from: a fact of the event (`default`: instead of what it does not tell), or itself."""

    fact: Fact | None = None
    default: Any = None
    value: Any = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.fact is None) == (self.value is None) or (self.fact is None and self.default is not None):
            raise ValueError("name a fact, with a default or without, or give the value itself")
        return self

    def kept(self) -> dict[str, Any]:
        """As the database keeps it."""
        return {name: value for name, value in self if value is not None}


Variables = Annotated[dict[str, SourceShape], Field(max_length=200)]


class NewRule(RequestShape):
    """A rule to make."""

    name: Name = Field(examples=["tell_of_suspensions"])
    description: Text = ""
    event_type: EventType = Field(examples=["orion.user.user.suspended.v1"])
    condition: Condition | None = Field(default=None, description="CEL over `context`, the facts, and `time`.")
    type: TypeName = Field(description="What the message is about: preferences and throttles speak of it.")
    template: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
    channels: Channels
    channel_rule: ChannelRuleLabel = "ALL"
    escalate_after_seconds: Seconds = 600
    priority: PriorityLabel | None = Field(default=None, description="Goes before the template's.")
    user_fact: Fact | None = Field(default=None, description="Which fact is the user it goes to.")
    address: SourceShape | None = Field(default=None, description="An address; goes before the user's own.")
    locale_fact: Fact | None = Field(default=None, description="Which fact is the language; goes before the user's.")
    expires_fact: Fact | None = Field(default=None, description="Which fact is the moment from which it is of no use.")
    variables: Variables = Field(default={}, description="Of the template.")
    once_per: OncePer | None = Field(
        default=None, description="Sends once, for ever, for the facts in braces; null: once for each event."
    )
    is_active: bool = Field(default=True, strict=True)

    @field_validator("channels")
    @classmethod
    def _are_different(cls, value: list[str]) -> list[str]:
        return _different(value)


class RuleChanges(RequestShape):
    """What to change; what is left out stays. `variables` are replaced as a whole."""

    description: Text = ""
    condition: Condition | None = None
    type: TypeName = "x"
    template: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)] = "x"
    channels: Channels = Field(default=["EMAIL"])
    channel_rule: ChannelRuleLabel = "ALL"
    escalate_after_seconds: Seconds = 600
    priority: PriorityLabel | None = None
    user_fact: Fact | None = None
    address: SourceShape | None = None
    locale_fact: Fact | None = None
    expires_fact: Fact | None = None
    variables: Variables = Field(default={})
    once_per: OncePer | None = None
    is_active: bool = Field(default=True, strict=True)

    @field_validator("channels")
    @classmethod
    def _are_different(cls, value: list[str]) -> list[str]:
        return _different(value)


def _different(value: list[str]) -> list[str]:
    if len(set(value)) != len(value):
        raise ValueError("each channel once")
    return value


def _labels(value: list[object]) -> list[object]:
    return [label(each) for each in value]


class RuleShape(ResponseShape):
    """A rule. `failures` is how often it could not be followed since it was last changed, `last_error` why."""

    id: UUID
    name: str
    description: str
    event_type: str
    condition: str | None
    type: str
    template: str
    channels: Annotated[list[ChannelLabel], BeforeValidator(_labels)]
    channel_rule: Annotated[ChannelRuleLabel, BeforeValidator(label)]
    escalate_after_seconds: int
    priority: Annotated[PriorityLabel | None, BeforeValidator(label)]
    user_fact: str | None
    address: dict[str, Any] | None
    locale_fact: str | None
    expires_fact: str | None
    variables: dict[str, dict[str, Any]]
    opened_variables: dict[str, str] = Field(description="Variables filled with what is sealed in the event.")
    once_per: str | None
    is_active: bool
    is_system: bool = Field(description="Orion is delivered with it: it stays, and so does what it says to whom.")
    failures: int
    last_error: str | None
    last_error_at: datetime | None
    created_at: datetime
    updated_at: datetime


class EventShape(ResponseShape):
    """A type of event that there can be rules for, and the facts that it tells."""

    type: str
    description: str
    facts: list[str]


class EventsShape(ResponseShape):
    """All of them."""

    items: list[EventShape]


class EventToSimulate(RequestShape):
    """An event as it could come, without what would be sealed in it."""

    event_type: EventType
    data: dict[str, Any] = Field(max_length=100)


class SimulatedMessage(ResponseShape):
    """A message that would be made. Of `variables` secrets and what is known of the user are left out."""

    channel: ChannelLabel
    template: str
    variables: dict[str, Any]
    judgement: JudgementShape


class SimulatedRule(ResponseShape):
    """What one rule makes of the event."""

    id: UUID
    name: str
    is_active: bool
    outcome: Literal["APPLIES", "DOES_NOT_APPLY", "FAILS"]
    reason: str | None = Field(description="Why it fails.")
    messages: list[SimulatedMessage]


class SimulatedRules(ResponseShape):
    """What every rule for the event makes of it; those that are switched off too."""

    rules: list[SimulatedRule]
