"""Elevations as the outside sees them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import RowMapping

from orion_core.http.shapes import RequestShape, ResponseShape
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT
from orion_user.elevations.rules import LONGEST_MINUTES
from orion_user.texts import Reason

StatusName = Literal["PENDING", "APPROVED", "DENIED", "CANCELLED", "LAPSED", "ENDED"]


class NewElevation(RequestShape):
    """A role that one wants for a time."""

    role_id: UUID
    scope: Literal["GLOBAL", "ORG", "TEAM", "USER"] = "GLOBAL"
    scope_id: UUID | None = None
    minutes: int = Field(strict=True, ge=1, le=LONGEST_MINUTES, description="From the approval on.", examples=[60])
    reason: Reason = Field(description="What it is needed for; whoever approves reads it.")


class Decision(RequestShape):
    """Why it was decided so."""

    reason: Reason | None = None


class ElevationSearch(RequestShape):
    """Which elevations to list: one's own, or those of all."""

    status: StatusName | None = None
    mine: bool = True
    organization_id: UUID | None = Field(
        default=None, description="For it or a team of it; with `mine=false` `role:assign` there is enough."
    )
    cursor: str | None = Field(default=None, max_length=500)
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=LARGEST_LIMIT)


class ElevationState(ResponseShape):
    """A role that somebody wanted, or has, for a time."""

    id: UUID
    user_id: UUID
    role_id: UUID
    scope: str
    scope_id: UUID | None
    minutes: int
    reason: str
    status: str = Field(examples=["PENDING", "APPROVED", "DENIED", "CANCELLED", "LAPSED", "ENDED"])
    lapses_at: datetime
    decided_at: datetime | None
    decided_by: UUID | None
    decision_reason: str | None
    user_role_id: UUID | None = Field(description="The assignment that it gave.")
    ends_at: datetime | None
    ended_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, row: RowMapping) -> "ElevationState":
        """The shape of a row."""
        return cls.model_validate({**row, "scope": row["scope"].name, "status": row["status"].name})
