"""Users as administrators see them, and the changes that they may make."""

import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, StringConstraints, TypeAdapter
from sqlalchemy import RowMapping

from orion_core.http.shapes import RequestShape, ResponseShape
from orion_core.person_names import PersonName
from orion_user.users.rules import NETWORKS, is_on_network

LARGEST_METADATA = 16_384
"""Bytes of JSON."""

URL = TypeAdapter(HttpUrl)


def _plain(url: HttpUrl) -> HttpUrl:
    if len(str(url)) > 2048:
        raise ValueError("must have at most 2048 characters")
    if _names_user(url):
        raise ValueError("must name a host, and no user of it, which looks like another host")
    return url


def _names_user(url: HttpUrl) -> bool:
    """As https://github.com@evil.example does."""
    return url.username is not None or url.password is not None


def _on_networks(links: dict[str, Any]) -> dict[str, Any]:
    for network, link in links.items():
        if network not in NETWORKS:
            raise ValueError(f"the networks are: {', '.join(NETWORKS)}")
        if link is None:
            continue
        url = URL.validate_python(link) if isinstance(link, str) and len(link) <= 500 else None
        if url is None or url.scheme != "https" or _names_user(url) or not is_on_network(network, url.host or ""):
            raise ValueError(f"{network}: must be an https address of that network, of at most 500 characters")
    return links


def fits(metadata: dict[str, Any]) -> bool:
    """Whether metadata is of a size that is kept."""
    return len(json.dumps(metadata).encode()) <= LARGEST_METADATA


def _small_enough(metadata: dict[str, Any]) -> dict[str, Any]:
    try:
        orjson.dumps(metadata)  # which writes the export and the archive
    except TypeError as error:
        raise ValueError("must be plain JSON, with no integers of more than 64 bits") from error
    if not fits(metadata):
        raise ValueError(f"must have at most {LARGEST_METADATA} bytes")
    return metadata


def _object(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError("must be an object; a null inside takes one away")
    return value  # pyright: ignore[reportUnknownVariableType]


Line = Annotated[PersonName, Field(max_length=100)]
Bio = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Url = Annotated[HttpUrl, AfterValidator(_plain)]
SocialLinks = Annotated[dict[str, str | None], BeforeValidator(_object), AfterValidator(_on_networks)]
Metadata = Annotated[dict[str, Any], BeforeValidator(_object), AfterValidator(_small_enough)]


class ProfileFields(RequestShape):
    """What of a profile is changed; what is left out stays, and null empties."""

    name: Line | None = None
    bio: Bio | None = None
    location: Line | None = None
    website: Url | None = None
    avatar_url: Url | None = None
    social_links: SocialLinks = Field(
        default_factory=dict,
        description="Merged into those there are (RFC 7396): null takes one away.",
        examples=[{"github": "https://github.com/ada"}],
    )

    def of_row(self) -> dict[str, Any]:
        """The changes to the profile's row; objects are still to be merged."""
        return self.model_dump(mode="json", exclude_unset=True, include=set(ProfileFields.model_fields))


class UserChanges(ProfileFields):
    """What an administrator changes of a user."""

    metadata: Metadata = Field(
        default_factory=dict, description="Merged into what there is (RFC 7396): null takes a key away."
    )

    def of_row(self) -> dict[str, Any]:
        """The changes to the user's row; objects are still to be merged."""
        return self.model_dump(mode="json", exclude_unset=True)


class Reason(RequestShape):
    """Why something is done to a user; the audit trail keeps it."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] | None = None


class UserShape(ResponseShape):
    """A user as administrators see them."""

    id: UUID
    email: str
    username: str | None
    name: str | None
    phone: str | None
    avatar_url: str | None
    bio: str | None
    location: str | None
    website: str | None
    social_links: dict[str, Any]
    metadata: dict[str, Any]
    status: str = Field(examples=["ACTIVE"])
    email_verified_at: datetime | None
    phone_verified_at: datetime | None
    last_login_at: datetime | None
    last_active_at: datetime | None
    login_count: int
    failed_login_count: int = Field(description="Since the last sign-in that succeeded.")
    last_failed_login_at: datetime | None
    created_at: datetime
    deleted_at: datetime | None
    purge_after: datetime | None = Field(description="A deleted user can be restored until then.")

    @classmethod
    def of(cls, row: RowMapping) -> "UserShape":
        """The shape of a row."""
        return cls.model_validate({**row, "status": row["status"].name})
