"""Bodies of the routes of batches, and the lines of an upload."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from orion_contracts.audiences import Audience
from orion_core.http.shapes import Moment, RequestShape, ResponseShape
from orion_notifications.labels import CategoryLabel, ChannelLabel, Label, PriorityLabel, TypeName, label
from orion_notifications.notifications.shapes import ContentShape, Line, Locale, Recipient, say_one_thing

StatusLabel = Literal["DRAFT", "SCHEDULED", "RUNNING", "PAUSED", "COMPLETED", "CANCELLED", "FAILED"]
Name = Annotated[Line, Field(min_length=1, max_length=200)]
LONGEST_WAIT_SECONDS = 7 * 86400


class Canary(RequestShape):
    """The first recipients go alone; the others follow when it has turned out well for so long."""

    recipients: int = Field(ge=1, le=1_000_000)
    seconds: int = Field(ge=1, le=LONGEST_WAIT_SECONDS)


class Brakes(RequestShape):
    """How fast a batch goes, and what stops it."""

    rate_per_second: int | None = Field(None, ge=1, le=100_000)
    """At most so many messages are made in a second; null: as many as leave."""
    canary: Canary | None = None
    bounced_permille: int | None = Field(None, ge=0, le=1000)
    """The batch pauses by itself when more than so many of a thousand come back."""
    complained_permille: int | None = Field(None, ge=0, le=1000)
    """The same of complaints."""

    def brakes(self) -> dict[str, Any]:
        """The columns of those that were given."""
        values = self.model_dump(include=set(Brakes.model_fields) - {"canary"}, exclude_unset=True)
        if "canary" in self.model_fields_set:
            canary = self.canary
            values |= {"canary_recipients": canary and canary.recipients, "canary_seconds": canary and canary.seconds}
        return values


class NewBatch(Brakes):
    """One template, or the same words, to many people, through one channel."""

    name: Name
    type: TypeName = "announcement"
    """What it is about: preferences and throttles speak of it."""
    template: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)] | None = None
    """Its version in force now is the one that all get."""
    content: ContentShape | None = None
    """The words themselves, where no template says them: the same for all."""
    category: CategoryLabel | None = None
    """Of what comes with `content`; a template has its own."""
    channel: ChannelLabel
    variables: dict[str, Any] = Field(default_factory=dict[str, Any], max_length=200)
    """The same for all; a recipient's own go before."""
    priority: PriorityLabel = "LOW"
    audience: Audience | None = None
    """Who gets it: asked of user when the batch starts. Left out: whoever is sent in."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        say_one_thing(self.template, self.content, self.category)
        return self


class BatchChange(Brakes):
    """What is to become of a batch, and what else is to change of one that has not begun. What is left out stays."""

    status: Literal["SCHEDULED", "RUNNING", "PAUSED", "CANCELLED"] | None = None
    scheduled_at: Moment | None = None
    """With SCHEDULED; alone, it moves a batch that is SCHEDULED."""
    name: Name = "x"

    def details(self) -> dict[str, Any]:
        """The columns of what was given that changes only before a batch begins."""
        return self.brakes() | self.model_dump(include={"name"}, exclude_unset=True)

    @property
    def is_status_alone(self) -> bool:
        """Whether nothing else is to change, but the moment that goes with SCHEDULED."""
        return self.status is not None and not self.details()

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.status is None and self.scheduled_at is None and not self.details():
            raise ValueError("name what is to change")
        return self

    @model_validator(mode="after")
    def _has_its_moment(self) -> Self:
        has_moment = self.scheduled_at is not None
        if self.status is not None and (self.status == "SCHEDULED") != has_moment:
            raise ValueError("scheduled_at is given with SCHEDULED, and with no other status")
        return self


class RecipientLine(RequestShape):
    """One line of an upload: a user, or an address that is nobody's here, and what is only theirs."""

    user_id: UUID | None = None
    email: Annotated[str, Field(max_length=254)] | None = None
    phone: Annotated[str, Field(max_length=20)] | None = None
    address: Annotated[str, Field(max_length=2048)] | None = None
    locale: Locale | None = None
    variables: dict[str, Any] = Field(default_factory=dict[str, Any], max_length=200)

    def to(self) -> Recipient:
        """To whom; ValidationError when it is nobody, or several."""
        return Recipient(user_id=self.user_id, email=self.email, phone=self.phone, address=self.address)


class ChunkShape(ResponseShape):
    """What became of a chunk of an upload."""

    recipient_count: int
    """Of the whole batch by now."""
    added: int
    repeated: int
    """Lines that were there before, or name somebody who stands in the batch already."""


class RecipientShape(ResponseShape):
    """Somebody whom a batch has still to reach."""

    position: int
    user_id: UUID | None
    recipient: str | None
    locale: str | None


class OutcomeShape(ResponseShape):
    """So many messages of a batch stand there, for that reason."""

    status: str
    error_code: str | None
    """Why it did not go out, or came back; of what is refused it is the decision's (docs/sending.md)."""
    count: int


class ReportShape(ResponseShape):
    """What has become of a batch's recipients, counted now."""

    batch_id: UUID
    recipient_count: int
    not_reached: int
    """Recipients of whom no message was made: not yet, or no more."""
    total_complained: int
    outcomes: list[OutcomeShape]
    """The most frequent first; of more than a thousand kinds the rest is left out."""


def _of(audience: Any) -> object:
    """The audience in a batch's row, or as it was shown before."""
    return audience.get("of") if "kind" in (audience or {}) else audience


class BatchShape(ResponseShape):
    """A batch, and how far it is. Its messages are found by `GET /notifications?batch_id=…`."""

    id: UUID
    name: str
    type: str
    template_id: UUID | None
    template_version: int | None
    category: Annotated[CategoryLabel | None, BeforeValidator(label)]
    """Of words that no template says."""
    channel: Annotated[ChannelLabel, BeforeValidator(label)]
    priority: Label
    status: Annotated[StatusLabel, BeforeValidator(label)]
    reason: str | None
    """Why it is paused, waits or has failed, where nobody has asked for it."""
    audience: Annotated[Audience | None, BeforeValidator(_of)]
    """Who gets it, where user is asked; its recipients are counted as they come to be known."""
    rate_per_second: int | None
    canary_recipients: int | None
    canary_seconds: int | None
    bounced_permille: int | None
    complained_permille: int | None
    recipient_count: int
    fed_count: int
    """Recipients who have become messages."""
    total_queued: int
    total_sent: int
    total_delivered: int
    total_failed: int
    total_bounced: int
    total_complained: int
    total_skipped: int
    counted_at: datetime | None
    """When the totals were true."""
    scheduled_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
