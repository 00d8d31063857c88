"""Questions and answers in the form of the AuthZEN Authorization API 1.0, and explanations."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, field_validator

from orion_core.conditions.condition import check_attributes
from orion_core.http.shapes import RequestShape, ResponseShape
from orion_user.decisions.rules import PLACES, Question, Resource, Subject

MOST_QUESTIONS = 100
LARGEST_PAGE = 100


def _bounded(value: dict[str, Any]) -> dict[str, Any]:
    check_attributes(value)
    return value


Attributes = Annotated[dict[str, Any], AfterValidator(_bounded)]
"""What conditions may look at."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=121)]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class AuthzenShape(RequestShape):
    """A part of a question. What is not known in it is passed over, as the specification has it."""

    model_config = ConfigDict(extra="ignore")


class SubjectShape(AuthzenShape):
    """Who would do it: a user, by id."""

    type: Name = Field(examples=["user"])
    id: Identifier = Field(examples=["01890a5d-ac96-774b-bcce-b302099a8057"])
    properties: Attributes = Field({})

    def subject(self) -> Subject:
        """As rules take it."""
        return Subject(self.type, self.id, self.properties)


class AnySubjectShape(AuthzenShape):
    """The kind of subjects that are looked for."""

    type: Name = Field(examples=["user"])
    properties: Attributes = Field({})


class ActionShape(AuthzenShape):
    """What would be done: an action on the type of the resource, or the name of a permission."""

    name: Name = Field(examples=["update"])
    properties: Attributes = Field({})


class AnyResourceShape(AuthzenShape):
    """The kind of resources that are looked for."""

    type: Name = Field(examples=["organization"])
    properties: Attributes = Field({})

    @field_validator("properties")
    @classmethod
    def _places_are_ids(cls, value: dict[str, Any]) -> dict[str, Any]:
        for kind in PLACES:
            if (place := value.get(f"{kind}_id")) is not None:
                UUID(place if isinstance(place, str) else "")
        return value


class ResourceShape(AnyResourceShape):
    """What it would be done to. `properties` say where it lies: `organization_id`, `team_id`, `user_id`."""

    id: Identifier = Field(examples=["123"])

    def resource(self) -> Resource:
        """As rules take it."""
        return Resource(self.type, self.id, self.properties)


class EvaluationShape(AuthzenShape):
    """May the subject do that to the resource?"""

    subject: SubjectShape
    action: ActionShape
    resource: ResourceShape
    context: Attributes = Field({})

    def question(self) -> Question:
        """As rules take it."""
        return Question(self.subject.subject(), self.action.name, self.resource.resource(), self.context)


class Semantic(Enum):
    """When several questions are enough."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"


class OptionsShape(AuthzenShape):
    """How several questions are answered."""

    evaluations_semantic: Semantic = Semantic.EXECUTE_ALL


class PartShape(AuthzenShape):
    """One of several questions; what it leaves out stands beside them."""

    subject: SubjectShape | None = None
    action: ActionShape | None = None
    resource: ResourceShape | None = None
    context: Attributes | None = None


class EvaluationsShape(PartShape):
    """Several questions, with what they have in common."""

    evaluations: list[PartShape] = Field([], max_length=MOST_QUESTIONS)
    options: OptionsShape = OptionsShape()

    def questions(self) -> list[EvaluationShape]:
        """Each in full; the one that stands here itself when there are no others. Raises ValidationError."""
        return [
            EvaluationShape.model_validate(
                {
                    name: value
                    for name in ("subject", "action", "resource", "context")
                    for value in (getattr(self, name), getattr(part, name))
                    if value is not None
                }
            )
            for part in self.evaluations or [PartShape()]
        ]


class PageShape(AuthzenShape):
    """Which page of a search."""

    token: str | None = Field(default=None, max_length=500, description="`next_token` of the page before.")
    limit: int = Field(default=50, strict=True, ge=1, le=LARGEST_PAGE)


class SubjectSearch(AuthzenShape):
    """Who may do that to the resource?"""

    subject: AnySubjectShape
    action: ActionShape
    resource: ResourceShape
    context: Attributes = Field({})
    page: PageShape = Field(default_factory=PageShape)


class ActionSearch(AuthzenShape):
    """What may the subject do to the resource?"""

    subject: SubjectShape
    resource: ResourceShape
    context: Attributes = Field({})
    page: PageShape = Field(default_factory=PageShape)


class ResourceSearch(AuthzenShape):
    """To which organizations, teams or users may the subject do that?"""

    subject: SubjectShape
    action: ActionShape
    resource: AnyResourceShape
    context: Attributes = Field({})
    page: PageShape = Field(default_factory=PageShape)


class DecisionShape(ResponseShape):
    """The answer to a question."""

    decision: bool
    context: dict[str, Any] = Field(description="`reason`, and `error` for a question that cannot be answered.")


class DecisionsShape(ResponseShape):
    """The answers to several questions, in their order."""

    evaluations: list[DecisionShape]


class NextShape(ResponseShape):
    """How a search goes on."""

    next_token: str = Field(description="Empty on the last page.")
    count: int


class EntityShape(ResponseShape):
    """A subject or a resource that was found."""

    type: str
    id: str


class FoundEntities(ResponseShape):
    """A page of subjects or resources."""

    results: list[EntityShape]
    page: NextShape


class FoundAction(ResponseShape):
    """An action that was found."""

    name: str


class FoundActions(ResponseShape):
    """A page of actions."""

    results: list[FoundAction]
    page: NextShape


class ConditionShape(ResponseShape):
    """A condition, what it came to, and what it looked at."""

    text: str
    holds: bool | None = Field(description="null: it failed, for the reason in `fault`.")
    fault: str | None
    values: dict[str, Any]


class GroundShape(ResponseShape):
    """A grant that speaks of it."""

    id: UUID
    effect: str
    scope: str
    scope_id: UUID | None
    role: str | None
    path: list[str] = Field(
        description="From the role that was assigned over what it inherits to the one that says so."
    )
    starts_at: datetime
    expires_at: datetime | None
    assigned_by: UUID | None
    reason: str | None
    counts: bool = Field(description="Whether it took part: its place, time and conditions are met.")
    conditions: list[ConditionShape]


class NearestShape(ResponseShape):
    """What comes nearest to allowing what is denied."""

    nearness: str
    detail: str
    grant: GroundShape | None
    roles: list[str] = Field(description="Roles that would allow it, the least first.")


class ExplanationShape(ResponseShape):
    """Why a question is answered as it is."""

    decision: bool
    reason: str
    at: datetime
    permission: str
    decisive: UUID | None = Field(description="The grant that decided.")
    grants: list[GroundShape] = Field(
        description="What speaks of it here and now; of more than 200 those that count first."
    )
    nearest: NearestShape | None = Field(description="For a denial.")


class Metadata(ResponseShape):
    """What this decision point can do and where (AuthZEN 1.0, section 9)."""

    policy_decision_point: str
    access_evaluation_endpoint: str
    access_evaluations_endpoint: str
    search_subject_endpoint: str
    search_resource_endpoint: str
    search_action_endpoint: str
