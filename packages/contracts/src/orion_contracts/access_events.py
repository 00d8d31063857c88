"""What user tells of rights: roles, permissions, and who has been given which of them."""

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from orion_contracts.event import Event, UserEvent
from orion_contracts.types import AwareDatetime, Email, Label

RoleName = str
PermissionName = str


class RoleChanged(Event):
    """user: a role was made, changed (itself, what it allows or what it inherits) or deleted."""

    type: ClassVar[str] = "orion.user.role.changed.v1"

    role_id: UUID
    name: RoleName = Field(max_length=60)
    organization_id: UUID | None = None
    change: Label
    """`CREATED`, `UPDATED`, `DELETED`, `PERMISSION_SET`, `PERMISSION_REMOVED`, `PARENT_ADDED`, `PARENT_REMOVED`."""
    changed_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The role's id."""
        return str(self.role_id)


class PermissionChanged(Event):
    """user: a permission was made, described anew or deleted."""

    type: ClassVar[str] = "orion.user.permission.changed.v1"

    name: PermissionName = Field(max_length=121)
    change: Label
    """`CREATED`, `UPDATED`, `DELETED`."""
    changed_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The permission's name."""
        return self.name


class Given(UserEvent):
    """What every event about something given to a user says."""

    grant_id: UUID
    scope: Label
    """`GLOBAL`, `ORG`, `TEAM` or `USER`."""
    scope_id: UUID | None = None
    """The organization, team or user that it is limited to."""
    conditional: bool = False
    """It holds under a condition only."""
    starts_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    by: UUID | None = None
    """The user who did it; empty: a service, an operator or Orion itself."""


class RoleAssigned(Given):
    """user: a user was given a role."""

    type: ClassVar[str] = "orion.user.role.assigned.v1"

    role_id: UUID
    role: RoleName = Field(max_length=60)


class RoleAssignmentEnded(Given):
    """user: somebody has ended it, at `expires_at` or before it began. One that ends by itself is not told of."""

    type: ClassVar[str] = "orion.user.role.assignment_ended.v1"

    role_id: UUID
    role: RoleName = Field(max_length=60)


class PermissionGranted(Given):
    """user: a user was allowed or denied something past all roles."""

    type: ClassVar[str] = "orion.user.permission.granted.v1"

    permission: PermissionName = Field(max_length=121)
    effect: Label
    """`ALLOW` or `DENY`."""


class PermissionGrantEnded(Given):
    """user: somebody has ended it, at `expires_at` or before it began. One that ends by itself is not told of."""

    type: ClassVar[str] = "orion.user.permission.grant_ended.v1"

    permission: PermissionName = Field(max_length=121)
    effect: Label


class SeparationRuleChanged(Event):
    """user: duties are kept apart from now on, or others, or no longer."""

    type: ClassVar[str] = "orion.user.separation_rule.changed.v1"

    rule_id: UUID
    name: str = Field(max_length=60)
    change: Label
    """`CREATED`, `UPDATED`, `DELETED`."""
    changed_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The rule's id."""
        return str(self.rule_id)


class ElevationChanged(UserEvent):
    """user: a role for a time was asked for, or given, or is over."""

    type: ClassVar[str] = "orion.user.elevation.changed.v1"

    elevation_id: UUID
    role_id: UUID
    scope: Label
    scope_id: UUID | None = None
    change: Label
    """`REQUESTED`, `APPROVED`, `DENIED`, `CANCELLED`, `LAPSED`, `ENDED`."""
    ends_at: AwareDatetime | None = None
    by: UUID | None = None
    """The user who did it; empty: an operator, or the clock."""
    changed_at: AwareDatetime


class OrganizationChanged(Event):
    """user: an organization was made, changed, handed over, deleted or restored."""

    type: ClassVar[str] = "orion.user.organization.changed.v1"

    organization_id: UUID
    slug: str = Field(max_length=63)
    change: Label
    """`CREATED`, `UPDATED`, `HANDED_OVER`, `DELETED`, `RESTORED`."""
    changed_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The organization's id."""
        return str(self.organization_id)


class TeamChanged(Event):
    """user: a team was made, changed, moved or deleted."""

    type: ClassVar[str] = "orion.user.team.changed.v1"

    team_id: UUID
    organization_id: UUID
    change: Label
    """`CREATED`, `UPDATED`, `DELETED`."""
    changed_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The team's id."""
        return str(self.team_id)


class MembershipChanged(Event):
    """user: somebody was invited to an organization, belongs to it or to a team of it, or no longer."""

    type: ClassVar[str] = "orion.user.membership.changed.v1"

    membership_id: UUID
    organization_id: UUID
    team_id: UUID | None = None
    user_id: UUID | None = None
    email: Email | None = None
    """The address that was invited."""
    change: Label
    """`INVITED`, `INVITED_AGAIN`, `JOINED`, `LEFT`, `TAKEN_BACK`, `EXPIRED`."""
    expires_at: AwareDatetime | None = None
    """Until when an invitation can be accepted."""
    changed_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The membership's id."""
        return str(self.membership_id)
