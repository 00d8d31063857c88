"""The envelope of events: CloudEvents 1.0 in its JSON format."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

BATCH_MEDIA_TYPE = "application/cloudevents-batch+json"

Position = Annotated[int, Field(ge=1), PlainSerializer(str, return_type=str, when_used="json")]
"""A place in a feed. A string on the wire, since CloudEvents' own integers end at 2³¹ - 1 (CloudEvents 1.0 §3.1)."""


class CloudEvent(BaseModel):
    """One event of a feed.

    `source` names the feed and `position` (an extension) the place in it: positions of one source rise without meaning
    beyond their order. (`source`, `id`) is unique, so a consumer can tell a repetition. `traceparent` is that of the
    Distributed Tracing extension.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: str = Field(min_length=1, max_length=60)
    type: str = Field(min_length=1, max_length=120)
    subject: str = Field(min_length=1, max_length=255)
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    traceparent: str | None = Field(default=None, max_length=55)
    position: Position
    data: dict[str, Any]
