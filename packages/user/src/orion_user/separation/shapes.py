"""Rules of separation as the outside sees them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, model_validator

from orion_core.http.shapes import RequestShape, ResponseShape
from orion_user.texts import Description, Word


class NewSeparationRule(RequestShape):
    """Duties to keep apart."""

    name: Word = Field(examples=["pay_and_approve"])
    description: Description | None = None
    kind: Literal["STATIC", "DYNAMIC"] = Field(
        description="STATIC: never given together. DYNAMIC: never in effect together, at one moment in one place."
    )
    cardinality: int = Field(default=2, strict=True, ge=2, le=100, description="So many of the roles are too many.")
    role_ids: Annotated[list[UUID], Field(min_length=2, max_length=100)]

    @model_validator(mode="after")
    def _enough(self) -> "NewSeparationRule":
        if len(set(self.role_ids)) < self.cardinality:
            raise ValueError("name at least as many different roles as are too many")
        return self


class SeparationRuleChanges(RequestShape):
    """What to change; what is left out stays, and null empties. A rule stays static or dynamic."""

    description: Description | None = None
    cardinality: int = Field(default=2, strict=True, ge=2, le=100)
    role_ids: Annotated[list[UUID], Field(min_length=2, max_length=100)] = Field(
        default=[], description="All roles of the set from now on."
    )


class SeparatedRole(ResponseShape):
    """A role of the set."""

    id: UUID
    name: str


class SeparationRuleState(ResponseShape):
    """Duties that are kept apart."""

    id: UUID
    name: str
    description: str | None
    kind: str = Field(examples=["STATIC", "DYNAMIC"])
    cardinality: int
    roles: list[SeparatedRole]
    created_at: datetime
