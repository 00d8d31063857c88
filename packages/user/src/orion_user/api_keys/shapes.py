"""API keys as they are asked for and shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyNetwork, StringConstraints

from orion_core.api_keys import BRAND, LONGEST
from orion_core.http.etags import etag
from orion_core.http.shapes import RequestShape, ResponseShape
from orion_user.api_keys.rules import (
    LARGEST_RATE,
    LIFETIME,
    LONGEST_LIFETIME,
    LONGEST_OVERLAP_HOURS,
    MOST_CIDRS,
    MOST_SCOPES,
    OVERLAP_HOURS,
    Ends,
    KeyStatus,
)
from orion_user.texts import Label


def _text(value: object) -> object:
    """The same; ValueError for a number or a truth value, of which `ipaddress` would make a network too."""
    if isinstance(value, bool | int):
        raise ValueError("a network is written as a text")
    return value


def _each_once(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


Scope = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*:[a-z][a-z0-9_]*$", max_length=121)]
"""The name of a permission."""
Scopes = Annotated[list[Scope], Field(min_length=1, max_length=MOST_SCOPES), AfterValidator(_each_once)]
Cidr = Annotated[IPvAnyNetwork, BeforeValidator(_text)]
Cidrs = Annotated[list[Cidr], Field(max_length=MOST_CIDRS), AfterValidator(_each_once)]
Rate = Annotated[int, Field(strict=True, ge=1, le=LARGEST_RATE)]
Service = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,59}$")]


class NewApiKey(RequestShape):
    """A key that a user wants."""

    name: Label = Field(examples=["nightly export"])
    scopes: Scopes = Field(examples=[["content:read"]], description="Permissions that it is limited to.")
    expires_in_days: Annotated[int, Field(strict=True, ge=1, le=LONGEST_LIFETIME.days)] = LIFETIME.days
    allowed_cidrs: Cidrs = Field([], examples=[["203.0.113.0/24"]], description="Empty: from everywhere.")
    rate_limit: Rate | None = Field(None, description="Requests in any minute; null: no limit of its own.")


class NewServiceKey(NewApiKey):
    """A key for a service, which an administrator makes."""

    service: Service = Field(examples=["billing"])


class ApiKeyChanges(RequestShape):
    """What to change; what is left out stays. What a key opens is fixed: for other scopes make another key."""

    name: Label = Field(default="", examples=["nightly export"])
    allowed_cidrs: Cidrs = Field(default=[], description="Empty: from everywhere.")
    rate_limit: Rate | None = None

    def values(self) -> dict[str, Any]:
        """The changes to the key's row."""
        return self.model_dump(mode="json", exclude_unset=True)


class Rotation(RequestShape):
    """How the next key takes over."""

    overlap_hours: Annotated[int, Field(strict=True, ge=0, le=LONGEST_OVERLAP_HOURS)] = OVERLAP_HOURS
    """For so long both keys are good; 0: the old one ends at once."""


class LeakReport(RequestShape):
    """A key that was found where it should not be."""

    key: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)] = Field(
        repr=False, examples=[f"{BRAND}_live_…"]
    )
    url: Annotated[str, StringConstraints(max_length=500, pattern=r"^https?://[^\s\x00-\x1f]+$")] | None = Field(
        None, description="Where it was found; its owner is shown it."
    )


class ApiKeyShape(ResponseShape):
    """A key, but for its secret, which nobody has but whoever it was given to."""

    id: UUID
    name: str
    client_id: str
    """Its public part."""
    user_id: UUID | None
    service: str | None
    issued_by: UUID | None
    """Who made it, or its successor: of a service's key an administrator; null where a service did, or nobody knows."""
    scopes: list[str]
    allowed_cidrs: list[str]
    rate_limit: int | None
    status: KeyStatus
    created_at: datetime
    expires_at: datetime | None
    overlap_until: datetime | None
    revoked_at: datetime | None
    revoked_reason: str | None
    rotated_from_id: UUID | None
    last_used_at: datetime | None
    last_used_ip: str | None
    usage_count: int

    @classmethod
    def of(cls, row: Mapping[str, Any], client_id: str, now: datetime) -> Self:
        """The key of a row, as it is at `now`."""
        ends = Ends(row["expires_at"], row["overlap_until"], row["revoked_at"])
        address = None if row["last_used_ip"] is None else str(row["last_used_ip"])
        cidrs = [str(cidr) for cidr in row["allowed_cidrs"]]
        shown = {**row, "client_id": client_id, "status": ends.status(now), "last_used_ip": address}
        return cls.model_validate(shown | {"allowed_cidrs": cidrs})

    @property
    def etag(self) -> str:
        """The tag of what can be changed: that it was used makes a key no other."""
        return etag(_Settings(name=self.name, allowed_cidrs=self.allowed_cidrs, rate_limit=self.rate_limit))


class _Settings(ResponseShape):
    name: str
    allowed_cidrs: list[str]
    rate_limit: int | None


class IssuedApiKey(ApiKeyShape):
    """A key that was just made, with what opens: it is shown now and never again."""

    key: str = Field(repr=False)
