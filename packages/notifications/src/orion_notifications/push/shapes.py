"""Push subscriptions as their users see them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field

from orion_core.http.shapes import RequestShape, ResponseShape

PlatformLabel = Literal["WEB", "FCM", "APNS"]


class SubscriptionKeys(RequestShape):
    """What a browser's messages are encrypted for: `keys` of its PushSubscription."""

    p256dh: str = Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_-]+=*$")
    auth: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+=*$")


class NewSubscription(RequestShape):
    """A browser or device that may be called."""

    platform: PlatformLabel
    token: str = Field(
        min_length=1,
        max_length=2048,
        pattern=r"^[\x21-\x7e]+$",
        description="For a browser `endpoint` of its PushSubscription, for FCM and APNs the token of the device.",
    )
    keys: SubscriptionKeys | None = Field(None, description="For a browser, and for nothing else.")
    user_agent: str | None = Field(None, max_length=512, description="What to call it by in a list.")


class SubscriptionShape(ResponseShape):
    """A browser or device that may be called. Its token is not shown: whoever has it may be able to call it."""

    id: UUID
    platform: Annotated[PlatformLabel, BeforeValidator(lambda value: getattr(value, "name", value))]
    user_agent: str | None
    created_at: datetime
    last_success_at: datetime | None
    disabled_at: datetime | None = Field(description="When its push service said that nobody is there any more.")
    disabled_reason: str | None

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> "SubscriptionShape":
        """The shape of a row."""
        return cls.model_validate({name: row[name] for name in cls.model_fields})


class Subscriptions(ResponseShape):
    """All of a user's."""

    items: list[SubscriptionShape]


class PublicKey(ResponseShape):
    """What a browser subscribes with: `applicationServerKey`."""

    public_key: str = Field(description="The point on P-256, uncompressed, in base64url (RFC 8292 §3.2).")
