"""Who is meant by a role, an organization or a tag: asked of user by notifications, a page at a time."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


class Audience(BaseModel):
    """Many users, named by one thing that they have in common: `role`, `organization_id` or `tag`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    role: RoleName | UUID | None = Field(
        default=None,
        description="The name of a role that belongs to no organization, or the id of any: whoever has been given it, "
        "or a role that inherits from it.",
        examples=["admin"],
    )
    scope: Literal["GLOBAL"] | UUID | None = Field(
        default=None,
        description="With a role: given everywhere (`GLOBAL`) or in the organization with this id; left out: wherever.",
    )
    organization_id: UUID | None = Field(default=None, description="Whoever belongs to it or to a team of it.")
    tag: str | None = Field(
        default=None, min_length=1, max_length=100, description="Whoever has it among `tags` in their metadata."
    )

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if [self.role, self.organization_id, self.tag].count(None) != 2:
            raise ValueError("name one of role, organization_id and tag")
        if self.scope is not None and self.role is None:
            raise ValueError("scope is where a role was given: name the role")
        return self


class AudiencePage(BaseModel):
    """Some of an audience in the order of their ids, each user once; only whoever is ACTIVE."""

    model_config = ConfigDict(frozen=True)

    user_ids: list[UUID]
    """May be few or none although there are more."""
    next: UUID | None = Field(description="What to ask with as `after` for the next page; null: this was the last one.")
