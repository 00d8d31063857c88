"""Grants as the outside sees them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field, model_validator
from sqlalchemy import RowMapping

from orion_core.http.shapes import Moment, RequestShape, ResponseShape
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT
from orion_user.texts import Condition, Reason


class NewGrant(RequestShape):
    """What is given to whom, where, and from when until when."""

    user_id: UUID
    scope: Literal["GLOBAL", "ORG", "TEAM", "USER"] = "GLOBAL"
    scope_id: UUID | None = Field(default=None, description="The organization, team or user; none for GLOBAL.")
    condition: Condition | None = Field(default=None, description="CEL; without one it always holds.")
    starts_at: Moment | None = Field(default=None, description="Left out: now.")
    expires_at: Moment | None = Field(default=None, description="Left out: for good.")
    reason: Reason | None = None


class NewRoleAssignment(NewGrant):
    """A role to give."""

    role_id: UUID


class NewPermissionGrant(NewGrant):
    """A permission to allow or to deny to a user, past all roles."""

    permission: str = Field(pattern=r"^[a-z][a-z0-9_]*:[a-z][a-z0-9_]*$", max_length=121, examples=["content:read"])
    effect: Literal["ALLOW", "DENY"] = "ALLOW"


class GrantSearch(RequestShape):
    """What to list: of one user, of one role or permission, of what was given in one organization, or all of these."""

    user_id: UUID | None = None
    organization_id: UUID | None = Field(
        default=None, description="What was given in it and in its teams; the permission there is enough to see it."
    )
    include_ended: bool = False
    cursor: Annotated[str | None, Field(max_length=500)] = None
    limit: Annotated[int, Field(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT


class RoleAssignmentSearch(GrantSearch):
    """Of one user, or of one role, or of one user and one role."""

    role_id: UUID | None = None
    include_inherited: bool = Field(
        default=False, description="With `role_id` and no `user_id`: also who has it by a role that inherits from it."
    )

    @model_validator(mode="after")
    def _one(self) -> "RoleAssignmentSearch":
        if self.user_id is None and self.role_id is None and self.organization_id is None:
            raise ValueError("name a user_id, a role_id or an organization_id")
        return self


class PermissionGrantSearch(GrantSearch):
    """Of one user, or of one permission, or of one user and one permission."""

    permission: Annotated[str | None, Query(max_length=121)] = None

    @model_validator(mode="after")
    def _one(self) -> "PermissionGrantSearch":
        if self.user_id is None and self.permission is None and self.organization_id is None:
            raise ValueError("name a user_id, a permission or an organization_id")
        return self


class GrantState(ResponseShape):
    """Something that was given to a user."""

    id: UUID
    user_id: UUID
    scope: str = Field(examples=["GLOBAL", "ORG", "TEAM", "USER"])
    scope_id: UUID | None
    condition: str | None
    starts_at: datetime
    expires_at: datetime | None
    reason: str | None
    assigned_by: UUID | None = Field(description="Null: a service, an operator, Orion itself, or a user who is gone.")
    created_at: datetime


class RoleAssignmentState(GrantState):
    """A role that was given to a user."""

    role_id: UUID
    role: str = Field(description="The role's name.")

    @classmethod
    def of(cls, row: RowMapping) -> "RoleAssignmentState":
        """The shape of a row."""
        return cls.model_validate(plain(row))


class PermissionGrantState(GrantState):
    """A permission that was allowed or denied to a user."""

    permission: str
    effect: str = Field(examples=["ALLOW", "DENY"])

    @classmethod
    def of(cls, row: RowMapping) -> "PermissionGrantState":
        """The shape of a row."""
        return cls.model_validate({**plain(row), "effect": row["effect"].name})


def plain(row: RowMapping) -> dict[str, Any]:
    """A row's values, its scope as a word."""
    return {**row, "scope": row["scope"].name}
