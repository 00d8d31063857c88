"""Streams as administrators see them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from orion_core.http.etags import etag
from orion_core.http.shapes import RequestShape, ResponseShape

URL = "https://… for a webhook, syslog+tls://host:port for a syslog server."


class NewStream(RequestShape):
    """Where the trail is to be streamed to."""

    name: str = Field(min_length=1, max_length=60, pattern=r"^[a-z0-9][a-z0-9_-]*$", examples=["siem"])
    url: str = Field(min_length=1, max_length=2048, description=URL, examples=["https://siem.example.com/orion"])
    from_beginning: bool = Field(default=False, strict=True, description="Also what has been written until now.")


class StreamChanges(RequestShape):
    """What to change; what is left out stays."""

    url: str = Field(default="", max_length=2048, description=URL)
    is_enabled: bool = Field(default=True, strict=True)


class StreamShape(ResponseShape):
    """A stream, and how far it has got."""

    id: UUID
    name: str
    url: str
    is_enabled: bool
    position: int = Field(description="Number of the last checkpoint that has arrived as a whole.")
    delivered_at: datetime | None
    failures: int = Field(description="Deliveries that failed in a row.")
    next_attempt_at: datetime | None
    error: str | None = Field(description="Why the last delivery failed.")
    created_at: datetime

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> "StreamShape":
        """The shape of a row."""
        return cls.model_validate({name: row[name] for name in cls.model_fields})


class StreamSettings(ResponseShape):
    """What its ETag is made of: the rest moves by itself, and must not make a change outdated."""

    name: str
    url: str
    is_enabled: bool


def stream_etag(stream: StreamShape) -> str:
    """The ETag of a stream."""
    return etag(StreamSettings(name=stream.name, url=stream.url, is_enabled=stream.is_enabled))


class StreamCreated(StreamShape):
    """A new stream, with its secret, which is shown this once."""

    secret: str | None = Field(description="What webhooks are signed with (Standard Webhooks); null for syslog.")


class Streams(ResponseShape):
    """All streams."""

    items: list[StreamShape]
