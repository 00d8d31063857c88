"""What users and administrators see of security events."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field, IPvAnyAddress

from orion_auth.base import AnyRow
from orion_auth.security_events.rules import SecurityEventCategory, SecurityEventSeverity, Wanted
from orion_core.http.shapes import Moment, RequestShape, ResponseShape
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT


class EventFilters(RequestShape):
    """Which events are asked for; all of these have to be met."""

    user_id: UUID | None = None
    type: str | None = Field(None, pattern=r"^[a-z_]+\.[a-z_]+$", max_length=80, examples=["token.reused"])
    category: SecurityEventCategory | None = None
    severity: SecurityEventSeverity | None = None
    tag: str | None = Field(None, min_length=1, max_length=50, examples=["intruder"])
    ip: IPvAnyAddress | None = None
    since: Moment | None = None
    until: Moment | None = Field(None, description="Before this moment.")

    @property
    def wanted(self) -> Wanted:
        """What is looked for."""
        return Wanted(self.user_id, self.type, self.category, self.severity, self.tag, self.ip, self.since, self.until)

    @property
    def given(self) -> dict[str, Any]:
        """The filters that are set, as JSON."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"cursor", "limit"})


class EventSearch(EventFilters):
    """Filters, and which page."""

    cursor: str | None = Field(None, max_length=500)
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=LARGEST_LIMIT)

    @property
    def listing(self) -> str:
        """The name of what is paged through."""
        return f"security-events {self.model_dump_json(exclude={'cursor', 'limit'})}"


class MyEvent(ResponseShape):
    """One event of my account."""

    id: UUID
    type: str = Field(description="From the catalog, docs/security-events.md.")
    category: SecurityEventCategory
    severity: SecurityEventSeverity
    title: str
    description: str | None
    reasons: list[str] = Field(description="Why it was judged so, in plain words; where there are any.")
    occurred_at: datetime
    ip_address: str | None
    country: str | None
    city: str | None
    user_agent: str | None
    device_id: str | None
    session_id: UUID | None
    was_blocked: bool = Field(description="What was tried was prevented.")
    was_notified: bool = Field(description="You were written to about it.")


class EventShape(MyEvent):
    """One event, as administrators see it."""

    user_id: UUID | None
    details: dict[str, Any]
    tags: list[str]


def shown(row: AnyRow) -> dict[str, Any]:
    """The fields of a row, for either shape; the reasons are those of its details that are words."""
    values: dict[str, Any] = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    told: list[Any] = values["details"].get("reasons") or []
    values["reasons"] = [reason for reason in told if isinstance(reason, str)]
    values["type"] = values.pop("event_type")
    values["ip_address"] = str(row.ip_address) if row.ip_address is not None else None
    return values
