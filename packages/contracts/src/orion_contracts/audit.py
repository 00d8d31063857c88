"""What a service has to say to the audit trail, which user keeps for all of them."""

from ipaddress import IPv4Address, IPv6Address
from typing import Any, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from orion_contracts.event import Event
from orion_contracts.types import Label, UserAgent


class AuditRecorded(Event):
    """Something was done, or tried. Written in the transaction of what it tells of; user keeps it once, by its id.

    Values hold no secret. What is personal stands in the values, the error, the address and the user agent alone.
    """

    audit_id: UUID
    """Becomes the id of the entry; a UUIDv7 of the time at which it happened."""
    actor_type: Label
    """`USER`, `API_KEY`, `SERVICE` or `SYSTEM`."""
    actor_id: UUID | None = None
    actor_name: str | None = Field(default=None, max_length=100)
    """A service or an operator, who is known by name alone."""
    on_behalf_of: UUID | None = None
    user_id: UUID | None = None
    """Whom it was done to."""
    action: str = Field(min_length=1, max_length=100)
    resource_type: str = Field(min_length=1, max_length=60)
    resource_id: str | None = Field(default=None, max_length=255)
    old: dict[str, Any] = Field(default_factory=dict[str, Any])
    new: dict[str, Any] = Field(default_factory=dict[str, Any])
    """The fields before and after."""
    session_id: UUID | None = None
    request_id: str | None = Field(default=None, max_length=64)
    ip_address: IPv4Address | IPv6Address | None = None
    user_agent: UserAgent | None = None
    status: Label = "SUCCESS"
    """`SUCCESS`, `FAILURE` or `DENIED`."""
    error: str | None = Field(default=None, max_length=1000)
    duration_ms: int | None = Field(default=None, ge=0)
    occurred_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The entry's id."""
        return str(self.audit_id)


class AuthAuditRecorded(AuditRecorded):
    """auth: something was done, or tried, that stands in the audit trail."""

    type: ClassVar[str] = "orion.auth.audit.recorded.v1"


class NotificationsAuditRecorded(AuditRecorded):
    """notifications: something was done, or tried, that stands in the audit trail."""

    type: ClassVar[str] = "orion.notifications.audit.recorded.v1"
