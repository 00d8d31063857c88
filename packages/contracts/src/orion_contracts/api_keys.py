"""What user and auth tell each other of API keys: which there are, which have ended, and how they were used."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field, StringConstraints

from orion_contracts.event import Event
from orion_contracts.types import AwareDatetime, IpAddress, Label

Scope = Annotated[str, StringConstraints(min_length=1, max_length=121)]
"""The name of a permission."""


class ApiKeyEvent(Event):
    """An event about one API key."""

    key_id: UUID

    @property
    def subject(self) -> str:
        """The key's id."""
        return str(self.key_id)


class ApiKeyChanged(ApiKeyEvent):
    """user: an API key was made, or is different now. All that it is stands here, so the last one is enough.

    `key_hash` is the SHA-256 of a secret of 256 random bits: whoever reads it has nothing to guess by.
    """

    type: ClassVar[str] = "orion.user.api_key.changed.v1"

    change: Label
    """`ISSUED`, `ROTATED` (it has a successor), `CHANGED`, `REVOKED`, `LEAKED` (revoked: somebody has shown it)."""
    name: str = Field(max_length=100)
    prefix: str = Field(pattern=r"^[A-Za-z0-9]{8,16}$")
    key_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    user_id: UUID | None = None
    """Whose it is; None for a service's."""
    service: str | None = Field(default=None, max_length=60)
    scopes: list[Scope] = Field(max_length=100)
    allowed_cidrs: list[IPv4Network | IPv6Network] = Field(default_factory=list, max_length=50)
    rate_limit: int | None = Field(default=None, ge=1)
    """Requests in a minute, at each service."""
    ends_at: AwareDatetime | None = None
    """When it ends by itself; for one that was rotated, the end of its overlap."""
    revoked_at: AwareDatetime | None = None
    changed_at: AwareDatetime
    ip_address: IpAddress | None = None
    """From where it was changed, or shown."""


class ApiKeyEnded(ApiKeyEvent):
    """auth: the tokens that were got for this key (`sid` is its id) are refused, until the last of them has died."""

    type: ClassVar[str] = "orion.auth.api_key.ended.v1"

    reason: Label
    ended_at: AwareDatetime
    tokens_expire_at: AwareDatetime


class ApiKeyUse(ApiKeyEvent):
    """A key was used, so many times since this was told last; counted in memory, so a crash loses seconds."""

    user_id: UUID | None = None
    """Whose it is; None for a service's."""
    count: int = Field(ge=1)
    last_used_at: AwareDatetime
    ip_address: IpAddress | None = None


class ApiKeyUsed(ApiKeyUse):
    """auth: tokens were got for this key."""

    type: ClassVar[str] = "orion.auth.api_key.used.v1"


class NotificationsApiKeyUsed(ApiKeyUse):
    """notifications: requests came with tokens of this key."""

    type: ClassVar[str] = "orion.notifications.api_key.used.v1"
