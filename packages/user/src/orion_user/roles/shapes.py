"""Roles as the outside sees them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import RowMapping

from orion_core.http.shapes import RequestShape, ResponseShape
from orion_user.texts import Condition, Description, Label, Word


class NewRole(RequestShape):
    """A role to make. It allows nothing before it is given permissions or parents."""

    name: Word = Field(description="What programs call it; it stays.", examples=["invoice_clerk"])
    display_name: Label = Field(examples=["Invoice clerk"])
    description: Description | None = None
    organization_id: UUID | None = Field(default=None, description="The organization that it is for; null: any.")


class RoleChanges(RequestShape):
    """What to change; what is left out stays, and null empties."""

    display_name: Label = ""
    description: Description | None = None
    is_active: bool = Field(
        default=True, strict=True, description="An inactive role gives nothing of its own to anybody."
    )


class NewRolePermission(RequestShape):
    """How a role has a permission."""

    effect: Literal["ALLOW", "DENY"] = "ALLOW"
    condition: Condition | None = Field(default=None, description="CEL; without one it always holds.")


class RoleReference(ResponseShape):
    """Another role."""

    id: UUID
    name: str
    display_name: str


class RolePermissionState(ResponseShape):
    """What a role allows or denies."""

    permission: str = Field(examples=["content:read"])
    effect: str = Field(examples=["ALLOW", "DENY"])
    condition: str | None


class InheritedPermission(RolePermissionState):
    """The same, with the role that says so."""

    role: RoleReference
    depth: int = Field(description="Steps of inheritance; 0: the role says so itself.")


class RoleSummary(ResponseShape):
    """A role in a list."""

    id: UUID
    name: str
    display_name: str
    description: str | None
    type: str = Field(examples=["SYSTEM", "CUSTOM"])
    organization_id: UUID | None
    is_active: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: RowMapping) -> "RoleSummary":
        """The shape of a row."""
        return cls.model_validate(plain(row))


class RoleDetails(RoleSummary):
    """A role with what it says itself. What it inherits is under its `permissions`."""

    parents: list[RoleReference] = Field(description="The roles that it inherits from, each step by step.")
    permissions: list[RolePermissionState]


def plain(row: RowMapping) -> dict[str, Any]:
    """A row's values, its type as a word."""
    return {**row, "type": row["type"].name}
