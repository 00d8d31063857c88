"""What grants come to: DENY wins, and what is not surely allowed is not.

Pure: whoever asks brings the grants that speak of the permission, the moment, the place and the facts for conditions.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Generic, TypeVar
from uuid import UUID

from orion_core.conditions.condition import Facts, Outcome, compile_condition
from orion_core.conditions.grammar import InvalidConditionError

EVERYWHERE: frozenset[UUID] = frozenset()
"""The place that lies in no organization, no team and is no user's."""


@dataclass(frozen=True, slots=True)
class Saying:
    """That something allows or denies a permission; it holds only where all `conditions` do."""

    denies: bool
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ground(Saying):
    """A grant that speaks of one permission: it allows or denies it to a user, in a place, for a time.

    `scope_id` is the organization, the team or the user that it is limited to.
    """

    id: UUID
    user_id: UUID
    permission: str
    scope: str
    scope_id: UUID | None
    role: str | None
    """The role that says so; None for a permission given directly."""
    through: str | None
    """The role that was assigned; `role` itself or one that inherits from it."""
    starts_at: datetime
    expires_at: datetime | None
    assigned_by: UUID | None = None
    reason: str | None = None
    is_active: bool = True
    """Whether both roles are active."""
    is_there: bool = True
    """Whether the organization that it is given in, if in one, is not deleted."""

    def holds_at(self, moment: datetime) -> bool:
        """Whether its time has begun and not ended."""
        return self.starts_at <= moment and (self.expires_at is None or moment < self.expires_at)

    def reaches(self, within: frozenset[UUID]) -> bool:
        """Whether it holds in a place that lies in these organizations and teams, or is these users'."""
        return self.scope_id is None or self.scope_id in within


Said_co = TypeVar("Said_co", bound=Saying, covariant=True)


class Reason(Enum):
    """Why a decision is what it is."""

    ALLOWED = "allowed"
    DENIED = "denied"
    """Something denies it, and that wins."""
    CONDITION = "condition"
    """What would allow it holds only under a condition that is not met."""
    NO_GRANT = "no_grant"
    """Nothing allows it here and now."""
    INACTIVE_SUBJECT = "inactive_subject"
    """The subject is no user here, or a suspended or deleted one."""


@dataclass(frozen=True, slots=True)
class Weighed(Generic[Said_co]):
    """A grant, or what is needed of it to decide, and what each of its conditions came to."""

    ground: Said_co
    outcomes: tuple[Outcome, ...]

    @property
    def counts(self) -> bool:
        """Whether it takes part: one that allows must surely hold, one that denies must not surely not hold."""
        if self.ground.denies:
            return all(outcome.holds is not False for outcome in self.outcomes)
        return all(outcome.holds is True for outcome in self.outcomes)


@dataclass(frozen=True, slots=True)
class Decision(Generic[Said_co]):
    """What was decided, by which grant, and what all the others came to."""

    allowed: bool
    reason: Reason
    decisive: Said_co | None = None
    weighed: tuple[Weighed[Said_co], ...] = ()


def decide(grounds: Iterable[Said_co], facts: Facts) -> Decision[Said_co]:
    """Decide by the grants that speak of the permission at the place and at the time."""
    return outcome(tuple(weigh(ground, facts) for ground in grounds))


def outcome(weighed: tuple[Weighed[Said_co], ...]) -> Decision[Said_co]:
    """What was decided, when each grant has been weighed."""
    counting = [each.ground for each in weighed if each.counts]
    denying = next((ground for ground in counting if ground.denies), None)
    if denying is not None:
        return Decision(allowed=False, reason=Reason.DENIED, decisive=denying, weighed=weighed)
    if counting:
        return Decision(allowed=True, reason=Reason.ALLOWED, decisive=counting[0], weighed=weighed)
    allowing = next((each.ground for each in weighed if not each.ground.denies), None)
    reason = Reason.NO_GRANT if allowing is None else Reason.CONDITION
    return Decision(allowed=False, reason=reason, decisive=allowing, weighed=weighed)


def by_permission(grounds: Iterable[Ground]) -> dict[str, tuple[Ground, ...]]:
    """Grants by the permission that each speaks of, in their order."""
    found: dict[str, list[Ground]] = defaultdict(list)
    for ground in grounds:
        found[ground.permission].append(ground)
    return {permission: tuple(group) for permission, group in found.items()}


def weigh(ground: Said_co, facts: Facts) -> Weighed[Said_co]:
    """A grant with what its conditions come to."""
    return Weighed(ground, tuple(_outcome(text, facts) for text in ground.conditions))


def _outcome(text: str, facts: Facts) -> Outcome:
    """What the text of a condition comes to; one that is none fails, however it got into the table."""
    try:
        return compile_condition(text).decide(facts)
    except InvalidConditionError as error:
        return Outcome(None, f"it is no condition: {error}")
