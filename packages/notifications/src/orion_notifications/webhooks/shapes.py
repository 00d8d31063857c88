"""Webhook endpoints as their owners see them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from orion_core.http.etags import etag
from orion_core.http.shapes import RequestShape, ResponseShape

URL = "Where messages are posted to, by Standard Webhooks. https, and a public address."


class NewEndpoint(RequestShape):
    """A program that is to be told of messages."""

    url: str = Field(min_length=1, max_length=2048, description=URL, examples=["https://example.com/hooks/orion"])
    description: str = Field("", max_length=200)


class EndpointChanges(RequestShape):
    """What to change; what is left out stays."""

    url: str = Field("", min_length=1, max_length=2048, description=URL)
    description: str = Field("", max_length=200)
    is_enabled: bool = Field(default=True, strict=True, description="True lets an endpoint be tried again.")


class EndpointShape(ResponseShape):
    """An endpoint, and how it is doing."""

    id: UUID
    url: str
    description: str
    is_enabled: bool
    failing_since: datetime | None = Field(description="Since when nothing but failure has come from it.")
    last_success_at: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> "EndpointShape":
        """The shape of a row."""
        values = {name: row[name] for name in cls.model_fields if name != "is_enabled"}
        return cls.model_validate(values | {"is_enabled": row["disabled_at"] is None})


class EndpointWithSecret(EndpointShape):
    """An endpoint with its secret, which is shown this once."""

    secret: str = Field(description="What deliveries are signed with: `whsec_…`, as the libraries take it.")


class Endpoints(ResponseShape):
    """All endpoints of an owner."""

    items: list[EndpointShape]


class _Settable(ResponseShape):
    url: str
    description: str
    is_enabled: bool


def endpoint_etag(endpoint: EndpointShape) -> str:
    """The ETag of an endpoint: of what can be set, for the rest moves by itself."""
    return etag(_Settable.model_validate(endpoint.model_dump(include=set(_Settable.model_fields))))
