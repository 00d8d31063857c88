"""Permissions as the outside sees them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path
from pydantic import Field
from sqlalchemy import RowMapping

from orion_core.http.shapes import RequestShape, ResponseShape
from orion_user.permissions.rules import PermissionScope
from orion_user.texts import Description, Label, Word

PermissionName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]*:[a-z][a-z0-9_]*$", max_length=121)]
ScopeName = Literal["GLOBAL", "ORG", "TEAM", "USER"]


class NewPermission(RequestShape):
    """A permission to make."""

    resource: Word = Field(examples=["invoice"])
    action: Word = Field(examples=["approve"])
    scope: ScopeName = Field(default="GLOBAL", description="The widest it may be given at.")
    category: Annotated[Label, Field(max_length=60)] = Field(examples=["Invoices"])
    description: Description | None = None


class PermissionChanges(RequestShape):
    """What to change; what is left out stays, and null empties."""

    category: Annotated[Label, Field(max_length=60)] = ""
    description: Description | None = None


class PermissionState(ResponseShape):
    """A permission."""

    id: UUID
    name: str = Field(examples=["invoice:approve"])
    resource: str
    action: str
    scope: str = Field(examples=[scope.name for scope in PermissionScope])
    category: str
    description: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: RowMapping) -> "PermissionState":
        """The shape of a row."""
        values: dict[str, Any] = {**row, "scope": row["scope"].name}
        return cls.model_validate(values)
