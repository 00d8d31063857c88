"""Erasures and legal holds as the outside sees them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints
from sqlalchemy import RowMapping

from orion_core.http.shapes import RequestShape, ResponseShape
from orion_user.erasures.rules import SERVICES, completed_at


class HoldReason(RequestShape):
    """Why a user must not be forgotten."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class HoldShape(ResponseShape):
    """A legal hold."""

    user_id: UUID
    reason: str
    placed_by: str
    created_at: datetime


class ErasureShape(ResponseShape):
    """An erasure; its receipt once `completed_at` is there. It holds nothing of what was erased."""

    id: UUID
    user_id: UUID
    reason: str = Field(examples=["REQUESTED"])
    requested_by: str
    requested_at: datetime
    erased_at: dict[str, datetime | None] = Field(description="By service: when it was done; null while it is not.")
    counts: dict[str, dict[str, int]] = Field(
        description="By service and table: how many rows were deleted or emptied."
    )
    obstacle: str | None = Field(description="Why it does not go on; it is tried again by itself.")
    completed_at: datetime | None

    @classmethod
    def of(cls, row: RowMapping) -> "ErasureShape":
        """The shape of a row."""
        erased_at: dict[str, datetime | None] = {service: row[f"{service}_erased_at"] for service in SERVICES}
        return cls.model_validate(
            {
                **row,
                "reason": row["reason"].name,
                "erased_at": erased_at,
                "completed_at": completed_at(erased_at),
            }
        )
