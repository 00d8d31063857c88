"""Organizations, teams and memberships as the outside sees them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints
from sqlalchemy import RowMapping

from orion_core.http.shapes import RequestShape, ResponseShape
from orion_user.texts import Description, Label

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63)]
Address = Annotated[
    str,
    StringConstraints(
        to_lower=True, min_length=3, max_length=255, pattern=r"^[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+$"
    ),
]


class NewOrganization(RequestShape):
    """An organization to make."""

    name: Label = Field(examples=["Acme"])
    slug: Slug = Field(description="Its name in addresses.", examples=["acme"])
    description: Description | None = None
    owner_id: UUID | None = Field(default=None, description="Left out: whoever makes it.")


class OrganizationChanges(RequestShape):
    """What to change; what is left out stays, and null empties."""

    name: Label = ""
    slug: Slug = ""
    description: Description | None = None


class NewOwner(RequestShape):
    """Whom an organization is handed over to."""

    user_id: UUID


class OrganizationState(ResponseShape):
    """An organization."""

    id: UUID
    name: str
    slug: str
    description: str | None
    owner_id: UUID
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None

    @classmethod
    def of(cls, row: RowMapping) -> "OrganizationState":
        """The shape of a row."""
        return cls.model_validate(dict(row))


class NewTeam(RequestShape):
    """A team to make."""

    name: Label = Field(examples=["Support"])
    slug: Slug = Field(examples=["support"])
    description: Description | None = None
    parent_team_id: UUID | None = Field(default=None, description="The team that it lies in.")


class TeamChanges(RequestShape):
    """What to change; what is left out stays, and null empties."""

    name: Label = ""
    slug: Slug = ""
    description: Description | None = None
    parent_team_id: UUID | None = None


class TeamState(ResponseShape):
    """A team."""

    id: UUID
    organization_id: UUID
    parent_team_id: UUID | None
    name: str
    slug: str
    description: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: RowMapping) -> "TeamState":
        """The shape of a row."""
        return cls.model_validate(dict(row))


class NewInvitation(RequestShape):
    """Whom to invite."""

    email: Address = Field(examples=["grace@example.com"])


class InvitationAcceptance(RequestShape):
    """What was in the mail."""

    token: str = Field(min_length=1, max_length=200, repr=False, description="Behind `#invitation=` in the link.")


class MembershipState(ResponseShape):
    """That somebody belongs to an organization or a team, or is invited to."""

    id: UUID
    organization_id: UUID
    team_id: UUID | None
    user_id: UUID | None
    status: str = Field(examples=["INVITED", "ACTIVE", "ENDED"])
    email: str | None = Field(description="The address that was invited.")
    invited_by: UUID | None
    expires_at: datetime | None = Field(description="Until when an invitation can be accepted.")
    joined_at: datetime | None

    @classmethod
    def of(cls, row: RowMapping) -> "MembershipState":
        """The shape of a row."""
        return cls.model_validate({**row, "status": row["status"].name})
