"""Bodies of the routes that send."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, time
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, field_validator, model_validator

from orion_contracts.types import Locale, Phone
from orion_core.http.shapes import Moment, RequestShape, ResponseShape
from orion_core.person_names import HIDDEN
from orion_notifications.decisions.rules import Judgement
from orion_notifications.decisions.shapes import decisions_of, in_words, kept
from orion_notifications.kinds import Channel
from orion_notifications.labels import CategoryLabel, ChannelLabel, Label, PriorityLabel, TypeName, label
from orion_notifications.notifications.rules import NotificationStatus
from orion_notifications.rendering.schemas import value_errors
from orion_notifications.templates.rules import LONGEST_HTML, LONGEST_SUBJECT, LONGEST_TEXT

StatusLabel = Literal[
    "QUEUED", "PROCESSING", "SENT", "DELIVERED", "FAILED", "BOUNCED", "REJECTED", "CANCELLED", "EXPIRED"
]
assert {each.name for each in NotificationStatus} == set(StatusLabel.__args__)

NOT_IN_EMAIL = rf"\s@<>\"(),:;\\\[\]{HIDDEN}"
EMAIL = re.compile(rf"[^{NOT_IN_EMAIL}]{{1,64}}@[^.{NOT_IN_EMAIL}]{{1,63}}(\.[^.{NOT_IN_EMAIL}]{{1,63}})*")
"""What hides or turns what stands beside it is no part of one: it would look like somebody else's."""
CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
MOST_IN_BULK = 500


def _address(value: str) -> str:
    # A capital that is newer than this Python stays one here, and PostgreSQL, which knows it, would refuse the row.
    if not EMAIL.fullmatch(value) or any(unicodedata.category(sign) == "Cn" for sign in value):
        raise ValueError("an address alone, such as ada@example.com")
    return value.lower()


def _one_line(value: str) -> str:
    if CONTROL.search(value):
        raise ValueError("one line, without control characters")
    return value


Address = Annotated[str, StringConstraints(max_length=255), AfterValidator(_address)]
Line = Annotated[str, AfterValidator(_one_line)]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=50), AfterValidator(_one_line)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_one_line)]
LocalTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
r"""Of ASCII's digits: pydantic's `\d` takes those of every script, which Python's `time` does not read."""


class Recipient(RequestShape):
    """To whom: a user, who is reached as he is known and wants to be, or one address that is nobody's here."""

    user_id: UUID | None = None
    email: Address | None = None
    phone: Phone | None = None
    address: Annotated[Line, Field(min_length=1, max_length=2048)] | None = None
    """Of another channel: the id of a webhook endpoint, or a channel of Slack. Push goes to users alone."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(value is not None for _, value in self) != 1:
            raise ValueError("name exactly one of user_id, email, phone and address")
        return self

    def of(self, channel: Channel) -> str | None:
        """The address for a channel, if it is one."""
        return {Channel.EMAIL: self.email, Channel.SMS: self.phone}.get(channel, self.address)

    def reaches(self, channel: Channel) -> bool:
        """Whether it says anything about a channel."""
        return self.user_id is not None or self.of(channel) is not None


class ContentShape(RequestShape):
    """The words themselves, where no template says them."""

    subject: Annotated[Line, Field(max_length=LONGEST_SUBJECT)] = ""
    text: str = Field(min_length=1, max_length=LONGEST_TEXT)
    html: str | None = Field(None, max_length=LONGEST_HTML)


def say_one_thing(template: str | None, content: ContentShape | None, category: str | None) -> None:
    """Raise ValueError unless words come from a template, or by themselves and with their category."""
    if (template is None) == (content is None):
        raise ValueError("name a template, or give the content itself")
    if (content is None) != (category is None):
        raise ValueError("the category is given with content, and with nothing else")


class Message(RequestShape):
    """A message to one recipient, through one channel or several."""

    to: Recipient
    type: TypeName
    """What it is about: preferences and throttles speak of it. Such as `order.shipped`."""
    channels: Annotated[list[ChannelLabel], Field(min_length=1, max_length=7)]
    rule: Literal["ALL", "FIRST", "ESCALATE"] = "ALL"
    """Through all channels; through the first that works; or through one after the other until it is seen."""
    escalate_after_seconds: int = Field(600, ge=1, le=7 * 86400)
    template: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)] | None = None
    variables: dict[str, Any] = Field(default_factory=dict[str, Any], max_length=200)
    content: ContentShape | None = None
    category: CategoryLabel | None = None
    """Of what comes with `content`; a template has its own."""
    priority: PriorityLabel | None = None
    locale: Locale | None = None
    scheduled_at: Moment | None = None
    local_time: LocalTime | None = None
    """Send it when it is this time (`09:00`) in the recipient's zone, after `scheduled_at` if that is given too."""
    expires_at: Moment | None = None
    idempotency_key: Key | None = None
    """Sends once, for ever: the same key of the same caller answers with the message that it was."""
    ordering_key: Key | None = None
    """Messages of the same key leave one after the other."""
    tags: Annotated[list[Tag], Field(max_length=20)] = Field(default_factory=list[str])

    @field_validator("channels")
    @classmethod
    def _are_different(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("each channel once")
        return value

    @field_validator("variables")
    @classmethod
    def _are_kept(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Whatever the template: what jsonb takes is more than a worker reads."""
        if errors := value_errors({}, value):
            raise ValueError(errors[0].detail)
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        say_one_thing(self.template, self.content, self.category)
        for channel in self.channels:
            if channel == "IN_APP" and self.to.user_id is None:
                raise ValueError("an inbox is a user's: name user_id")
            if not self.to.reaches(Channel[channel]):
                raise ValueError(f"`to` says nothing about {channel}")
        if self.scheduled_at and self.expires_at and self.expires_at <= self.scheduled_at:
            raise ValueError("it would expire before it is sent")
        return self

    @property
    def at_local(self) -> time | None:
        """`local_time` as a time."""
        return None if self.local_time is None else time.fromisoformat(self.local_time)


class Bulk(RequestShape):
    """Several messages in one request. Each is taken or refused by itself."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_IN_BULK)]


class Schedule(RequestShape):
    """When a message is to be sent instead."""

    scheduled_at: Moment


class StepShape(ResponseShape):
    """One decision: what was looked at, what it says, and why."""

    step: str
    verdict: Literal["pass", "defer", "end"]
    code: str
    words: str
    details: dict[str, Any]


class JudgementShape(ResponseShape):
    """What becomes of a message, and the decisions that led to it, in their order."""

    at: datetime
    by: str
    """`acceptance`, `worker`, `preferences`, `digest`, `operator` or `simulation`."""
    outcome: Literal["SEND", "DEFER", "DIGEST", "REJECTED", "EXPIRED"]
    until: datetime | None
    steps: list[StepShape]

    @classmethod
    def of(cls, judgement: Judgement, at: datetime, by: str) -> Self:
        """One that has just been made."""
        return cls.read(kept(judgement, at, by))

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Self:
        """One as the record keeps it."""
        steps = [
            {
                "step": each.step.value,
                "verdict": each.verdict.value,
                "code": each.code,
                "words": in_words(each),
                "details": dict(each.details),
            }
            for each in decisions_of(said["steps"])
        ]
        return cls.model_validate({**said, "steps": steps})


class SentShape(ResponseShape):
    """A message that was taken; `is_new` is false where its key stands for one that was taken before."""

    id: UUID
    channel: ChannelLabel
    is_new: bool
    outcome: Literal["SEND", "DEFER", "DIGEST", "REJECTED", "EXPIRED"] | None
    """What was decided, of a new one."""
    until: datetime | None
    code: str | None
    """Why it is rejected or put off."""


class SendingShape(ResponseShape):
    """What a request to send has become: a message for each channel, or for the first one of several."""

    notifications: list[SentShape]
    escalation_id: UUID | None = None
    """Of those that go through one channel after the other."""


class Refused(ResponseShape):
    """Why one message of several was not taken."""

    code: str
    detail: str


class BulkItem(ResponseShape):
    """One of several: taken or refused."""

    index: int
    sent: SendingShape | None = None
    refused: Refused | None = None


class BulkShape(ResponseShape):
    """What became of each, in the order of the request."""

    accepted: int
    refused: int
    items: list[BulkItem]


class SimulatedShape(ResponseShape):
    """What would become of a message by one channel."""

    channel: ChannelLabel
    judgement: JudgementShape | None
    """None where nothing is decided, since nothing would be sent: its key stands for a message already."""
    stands_for: UUID | None = None
    """That message, which a sending with this key is answered with."""


class SimulationShape(ResponseShape):
    """What would become of a request to send; nothing is sent."""

    simulated: list[SimulatedShape]


class RecordShape(ResponseShape):
    """A message as administrators see it; secrets in it are masked."""

    id: UUID
    user_id: UUID | None
    type: str
    category: Label
    channel: Annotated[ChannelLabel, BeforeValidator(label)]
    priority: Label
    status: Annotated[StatusLabel, BeforeValidator(label)]
    template_id: UUID | None
    template_version: int | None
    locale: str | None
    timezone: str | None
    recipient: str | None
    subject: str | None
    attempts: int
    max_attempts: int
    next_attempt_at: datetime | None
    scheduled_at: datetime | None
    deferred_reason: str | None
    expires_at: datetime | None
    queued_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    failed_at: datetime | None
    cancelled_at: datetime | None
    seen_at: datetime | None
    read_at: datetime | None
    error_code: str | None
    error_message: str | None
    provider: str | None
    provider_message_id: str | None
    batch_id: UUID | None
    idempotency_key: str | None
    tags: list[str]
    created_at: datetime


class AttemptShape(ResponseShape):
    """One try at handing the message to a provider."""

    attempt_number: int
    status: str
    provider: str | None
    provider_message_id: str | None
    status_code: int | None
    response_time_ms: int | None
    error_code: str | None
    error_message: str | None
    attempted_at: datetime
    completed_at: datetime | None


class ExplanationShape(ResponseShape):
    """Why a message went out, waits or did not go: what was decided when, and what providers said."""

    id: UUID
    status: Annotated[StatusLabel, BeforeValidator(label)]
    error_code: str | None
    error_message: str | None
    next_attempt_at: datetime | None
    judgements: list[JudgementShape]
    attempts: list[AttemptShape]
