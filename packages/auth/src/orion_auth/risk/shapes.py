"""What is sent to and from the routes of risk."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, StrictInt, field_validator, model_validator

from orion_auth.risk.rules import DEFAULT_WEIGHTS
from orion_core.http.shapes import Moment, RequestShape, ResponseShape

Weight = Annotated[StrictInt, Field(ge=0, le=100)]
Threshold = Annotated[StrictInt, Field(ge=1, le=101)]


class PolicyChange(RequestShape):
    """What the signals weigh, and at which scores something happens; 101 is never reached."""

    step_up_at: Threshold = Field(examples=[50])
    block_at: Threshold = Field(examples=[90])
    weights: dict[str, Weight] = Field(max_length=50, examples=[dict(DEFAULT_WEIGHTS)])

    @field_validator("weights")
    @classmethod
    def _known(cls, weights: dict[str, int]) -> dict[str, int]:
        unknown = sorted(set(weights) - set(DEFAULT_WEIGHTS))
        if unknown:
            raise ValueError(f"no such signals: {', '.join(unknown)[:200]}; there are {', '.join(DEFAULT_WEIGHTS)}")
        return weights

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.block_at < self.step_up_at:
            raise ValueError("block_at must not be below step_up_at")
        return self


class PolicyShape(ResponseShape):
    """One version of the policy."""

    version: int
    """0: nobody has said anything yet, and what is in the code holds."""
    is_active: bool
    step_up_at: int
    block_at: int
    weights: dict[str, int]
    created_by: str
    created_at: datetime | None


class PolicyVersions(ResponseShape):
    """The latest versions of the policy, the newest first."""

    items: list[PolicyShape]


class SimulationRequest(PolicyChange):
    """Try a policy on what was recorded."""

    since: Moment
    until: Moment
    cursor: str | None = Field(default=None, max_length=500)
    """`next` of the answer before, to go on where that ended; all else as it was."""


class Difference(ResponseShape):
    """An attempt that the policy would have decided on otherwise."""

    attempt_id: UUID
    user_id: UUID | None
    attempted_at: datetime
    outcome: str
    recorded_score: int
    recorded_verdict: Literal["ALLOW", "STEP_UP", "BLOCK"]
    score: int
    verdict: Literal["ALLOW", "STEP_UP", "BLOCK"]
    reasons: list[str]


class Simulation(ResponseShape):
    """What a policy would have decided."""

    examined: int
    recorded: dict[str, int]
    """Attempts by the verdict that was given."""
    simulated: dict[str, int]
    """The same attempts by the verdict that would have been."""
    changed: int
    differences: list[Difference]
    """The first of those that changed."""


class SimulationPart(Simulation):
    """What a policy would have decided on as many attempts, the oldest first, as one request looks at."""

    next: str | None
    """Cursor of the next part, to be added to this one; null when all were looked at."""
