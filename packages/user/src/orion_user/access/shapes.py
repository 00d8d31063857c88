"""Rights as the outside sees them."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from orion_core.http.shapes import ResponseShape
from orion_user.access.rules import EffectivePermission, HeldRole, Place
from orion_user.permissions.rules import PermissionScope


class PlaceShape(ResponseShape):
    """Where something holds."""

    scope: str = Field(examples=[scope.name for scope in PermissionScope])
    scope_id: UUID | None = Field(description="The organization, team or user; null everywhere.")


class RoleShape(PlaceShape):
    """A role that the user has now."""

    name: str
    display_name: str
    through: str | None = Field(description="The assigned role that inherits it; null: it is assigned itself.")
    conditional: bool = Field(description="Whether the user has it depends on a condition.")
    starts_at: datetime
    expires_at: datetime | None
    reason: str | None

    @classmethod
    def of(cls, held: HeldRole) -> "RoleShape":
        """The shape of a held role."""
        return cls(
            scope=held.place.scope.name,
            scope_id=held.place.id,
            name=held.name,
            display_name=held.display_name,
            through=None if held.through == held.name else held.through,
            conditional=held.conditional,
            starts_at=held.starts_at,
            expires_at=held.expires_at,
            reason=held.reason,
        )


class ExclusionShape(PlaceShape):
    """Where a permission does not hold."""

    conditional: bool


class SourceShape(ResponseShape):
    """What allows it."""

    role: str | None = Field(description="The role; null: it was given to the user directly.")
    through: str | None = Field(description="The assigned role that inherits from it, where that is another one.")


class PermissionShape(PlaceShape):
    """Something that the user may do."""

    name: str = Field(examples=["content:read"])
    conditional: bool = Field(
        description="It depends on conditions; as long as they are not decided, it is not granted."
    )
    exclusions: list[ExclusionShape]
    sources: list[SourceShape]

    @classmethod
    def of(cls, found: EffectivePermission) -> "PermissionShape":
        """The shape of an effective permission."""
        return cls(
            scope=found.place.scope.name,
            scope_id=found.place.id,
            name=found.permission,
            conditional=found.conditional,
            exclusions=[_exclusion(each.place, each.conditional) for each in found.exclusions],
            sources=[
                SourceShape(role=each.role, through=None if each.through == each.role else each.through)
                for each in found.sources
            ],
        )


def _exclusion(place: Place, conditional: bool) -> ExclusionShape:
    return ExclusionShape(scope=place.scope.name, scope_id=place.id, conditional=conditional)
