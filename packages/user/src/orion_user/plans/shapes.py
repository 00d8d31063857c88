"""Changes that are tried, and what would come of them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from orion_core.http.shapes import Moment, RequestShape, ResponseShape
from orion_user.access.shapes import PermissionShape
from orion_user.permissions.rules import PermissionEffect, PermissionScope

MOST_CHANGES = 20

Name = Annotated[str, StringConstraints(min_length=1, max_length=121)]
Condition = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Scope = Literal["GLOBAL", "ORG", "TEAM", "USER"]
Effect = Literal["ALLOW", "DENY"]

assert {scope.name for scope in PermissionScope} == {"GLOBAL", "ORG", "TEAM", "USER"}
assert {effect.name for effect in PermissionEffect} == {"ALLOW", "DENY"}


class GrantChange(RequestShape):
    """What all grants say."""

    user_id: UUID
    scope: Scope = "GLOBAL"
    scope_id: UUID | None = None
    condition: Condition | None = None
    expires_at: Moment | None = None


class RoleGranted(GrantChange):
    """A role would be assigned from now on."""

    kind: Literal["role_granted"]
    role_id: UUID


class PermissionGranted(GrantChange):
    """A permission would be allowed or denied past all roles from now on."""

    kind: Literal["permission_granted"]
    permission: Name
    effect: Effect = "ALLOW"


class GrantEnded(RequestShape):
    """A grant of either kind would end now."""

    kind: Literal["grant_ended"]
    grant_id: UUID


class RoleSays(RequestShape):
    """A role would allow or deny something, or say nothing of it (null)."""

    kind: Literal["role_says"]
    role_id: UUID
    permission: Name
    effect: Effect | None
    condition: Condition | None = None


class RoleInherits(RequestShape):
    """A role would inherit from another one, or would not any more."""

    kind: Literal["role_inherits"]
    role_id: UUID
    parent_role_id: UUID
    inherits: bool = Field(default=True, strict=True)


class RoleActive(RequestShape):
    """A role would be active or not."""

    kind: Literal["role_active"]
    role_id: UUID
    is_active: bool = Field(strict=True)


Change = Annotated[
    RoleGranted | PermissionGranted | GrantEnded | RoleSays | RoleInherits | RoleActive, Field(discriminator="kind")
]


class PlanRequest(RequestShape):
    """Changes that would be made together, in this order."""

    changes: list[Change] = Field(min_length=1, max_length=MOST_CHANGES)
    after: UUID | None = Field(default=None, description="`next` of the page before: the users behind it.")


class UserDifference(ResponseShape):
    """What one user would get and lose."""

    user_id: UUID
    given: list[PermissionShape]
    taken: list[PermissionShape]


class PlanShape(ResponseShape):
    """What would come of the changes. Nothing was changed."""

    looked_at: int = Field(description="Users who have something that is changed, as far as they were looked at.")
    there_are_more: bool = Field(description="Whether more users have it than were looked at.")
    next: UUID | None = Field(description="Where there are more: what to ask `after` for them.")
    users: list[UserDifference] = Field(description="Those for whom something would be different.")
