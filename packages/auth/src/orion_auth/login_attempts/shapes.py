"""What administrators see of attempts to sign in."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field, IPvAnyNetwork

from orion_auth.base import AnyRow
from orion_auth.login_attempts.rules import LoginAttemptStatus, LoginMethod, Wanted
from orion_auth.two_factor_methods import TwoFactorMethod
from orion_core.http.shapes import Moment, RequestShape, ResponseShape
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT


class AttemptFilters(RequestShape):
    """Which attempts are asked for; all of these have to be met."""

    user_id: UUID | None = None
    email: str | None = Field(None, min_length=1, max_length=255)
    ip: IPvAnyNetwork | None = Field(None, description="An address, or a network such as 192.0.2.0/24.")
    status: LoginAttemptStatus | None = None
    suspicious: bool | None = Field(None, description="Those let in, or stopped, that looked unlike their owner.")
    since: Moment | None = None
    until: Moment | None = Field(None, description="Before this moment.")
    cursor: str | None = Field(None, max_length=500)
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=LARGEST_LIMIT)

    @property
    def wanted(self) -> Wanted:
        """What is looked for."""
        email = self.email.lower() if self.email is not None else None
        return Wanted(self.user_id, email, self.ip, self.status, self.suspicious, self.since, self.until)

    @property
    def listing(self) -> str:
        """The name of what is paged through."""
        return f"login-attempts of {self.model_dump_json(exclude={'cursor', 'limit'})}"


class AttemptShape(ResponseShape):
    """One attempt to sign in."""

    id: UUID
    user_id: UUID | None
    email: str | None = Field(description="As it was typed.")
    status: LoginAttemptStatus
    method: LoginMethod
    failure_reason: str | None
    is_suspicious: bool
    is_blocked: bool
    risk_score: int
    risk_reasons: list[Any]
    two_factor_method: TwoFactorMethod | None
    ip_address: str | None
    country: str | None
    region: str | None
    city: str | None
    user_agent: str | None
    device_id: str | None
    attempted_at: datetime
    duration_ms: int | None

    @classmethod
    def of(cls, row: AnyRow) -> "AttemptShape":
        """One row of the table."""
        shown: dict[str, Any] = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
        return cls.model_validate(shown | {"ip_address": str(row.ip_address) if row.ip_address is not None else None})
