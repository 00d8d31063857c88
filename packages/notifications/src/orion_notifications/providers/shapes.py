"""Provider accounts as administrators see them. What one is set up with is in `provider_settings`, by its provider."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field

from orion_core.http.etags import etag
from orion_core.http.shapes import RequestShape, ResponseShape
from orion_notifications.labels import label

CarriedLabel = Literal["EMAIL", "SMS", "PUSH", "WEBHOOK", "SLACK", "DISCORD"]
"""Channels that leave this machine: an inbox needs no account."""
SETTINGS = "What the provider asks for; see docs/channels.md. Secrets are sealed, and shown to nobody again."


class NewAccount(RequestShape):
    """An account with somebody who carries messages."""

    channel: CarriedLabel
    provider: str = Field(pattern=r"^[a-z][a-z0-9_]{0,59}$", examples=["sendgrid"])
    name: str = Field(min_length=1, max_length=100, examples=["SendGrid, Europe"])
    settings: dict[str, Any] = Field(description=SETTINGS, examples=[{"api_key": "…", "sender": "a@example.com"}])
    weight: int = Field(1, ge=0, le=1000, strict=True, description="Its share; 0: only when others fail.")
    rate_limit: int | None = Field(
        None, ge=1, le=30_000, strict=True, description="Messages in `rate_limit_seconds`, by all workers together."
    )
    rate_limit_seconds: int = Field(1, ge=1, le=30_000, strict=True)
    is_enabled: bool = Field(default=True, strict=True)


class AccountChanges(RequestShape):
    """What to change; what is left out stays."""

    name: str = Field("", min_length=1, max_length=100)
    settings: dict[str, Any] = Field(
        {}, description="These settings; those left out stay, so a secret need not be sent again. Null takes one out."
    )
    weight: int = Field(1, ge=0, le=1000, strict=True)
    rate_limit: int | None = Field(None, ge=1, le=30_000, strict=True)
    rate_limit_seconds: int = Field(1, ge=1, le=30_000, strict=True)
    is_enabled: bool = Field(default=True, strict=True)


class AccountShape(ResponseShape):
    """An account, and how it is doing."""

    id: UUID
    channel: Annotated[CarriedLabel, BeforeValidator(label)]
    provider: str
    name: str
    settings: dict[str, Any] = Field(description="Secrets are shown as •••.")
    weight: int
    rate_limit: int | None
    rate_limit_seconds: int
    is_enabled: bool
    health: Annotated[Literal["HEALTHY", "DEGRADED", "DOWN"], BeforeValidator(label)]
    health_changed_at: datetime | None
    callback_path: str | None = Field(
        description="Where the provider tells what became of messages, on this service; null: nowhere."
    )
    created_at: datetime


class Accounts(ResponseShape):
    """All accounts."""

    items: list[AccountShape]


class ProviderShape(ResponseShape):
    """A provider that there can be accounts with."""

    channel: CarriedLabel
    provider: str
    settings_schema: dict[str, Any] = Field(description="JSON Schema of `settings`.")


class Providers(ResponseShape):
    """All providers."""

    items: list[ProviderShape]


class _Settable(ResponseShape):
    name: str
    settings: dict[str, Any]
    weight: int
    rate_limit: int | None
    rate_limit_seconds: int
    is_enabled: bool


def account_etag(account: AccountShape) -> str:
    """The ETag of an account: of what can be set, for the rest moves by itself."""
    return etag(_Settable.model_validate(account.model_dump(include=set(_Settable.model_fields))))


def shown(row: Mapping[Any, Any], settings: dict[str, Any], callback_path: str | None) -> AccountShape:
    """The shape of a row, whose settings hold no secret any more."""
    values = {name: row[name] for name in AccountShape.model_fields if name not in {"settings", "callback_path"}}
    return AccountShape.model_validate(values | {"settings": settings, "callback_path": callback_path})
