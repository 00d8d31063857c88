"""How a question is read, and what would have allowed what is denied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any
from uuid import UUID

from orion_core.conditions.condition import Facts
from orion_core.rights.decisions import Decision, Ground, Weighed

MOST_TOLD = 200
"""Grants of one explanation."""
SUBJECT_TYPE = "user"
PLACES = ("organization", "team", "user")
"""Types of resources that are themselves places in which grants hold."""


@dataclass(frozen=True)
class Subject:
    """Who would do it."""

    type: str
    id: str
    properties: Mapping[str, Any]

    @cached_property
    def user_id(self) -> UUID | None:
        """The user; None for whoever is none of ours."""
        return _uuid(self.id) if self.type == SUBJECT_TYPE else None


@dataclass(frozen=True)
class Resource:
    """What it would be done to."""

    type: str
    id: str
    properties: Mapping[str, Any]

    def place(self, kind: str) -> UUID | None:
        """The organization, team or user that it lies in or is."""
        if self.type == kind:
            return _uuid(self.id)
        return _uuid(str(self.properties.get(f"{kind}_id") or ""))

    @cached_property
    def places(self) -> frozenset[UUID]:
        """All that it says of where it lies, which for a team is not all that it lies in."""
        return frozenset(place for place in map(self.place, PLACES) if place is not None)


@dataclass(frozen=True)
class Question:
    """May the subject do that to the resource, under these circumstances?"""

    subject: Subject
    action: str
    resource: Resource
    context: Mapping[str, Any]

    @property
    def permission(self) -> str:
        """Name of the permission; an action may be given by that name too."""
        return self.action if ":" in self.action else f"{self.resource.type}:{self.action}"

    def facts(self, now: datetime) -> Facts:
        """What conditions look at. What the question says of id and type stands, whatever the properties say."""
        network = self.context.get("network")
        return Facts(
            time=now,
            subject={**self.subject.properties, "id": self.subject.id, "type": self.subject.type},
            resource={**self.resource.properties, "id": self.resource.id, "type": self.resource.type},
            context=self.context,
            network=network if isinstance(network, Mapping) else {},  # pyright: ignore[reportUnknownArgumentType]
        )


def _uuid(text: str) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


class Nearness(Enum):
    """What stands between a subject and what is denied, the nearest first."""

    DENIAL = "denial"
    """It is allowed and denied: the denial would have to end."""
    CONDITION = "condition"
    """It is allowed under a condition that is not met."""
    NOT_BEGUN = "not_begun"
    """It will be allowed here."""
    ENDED = "ended"
    """It was allowed here."""
    INACTIVE_ROLE = "inactive_role"
    """A role that was assigned here allows it, but is not active."""
    DELETED_ORGANIZATION = "deleted_organization"
    """It was allowed here, in an organization that has been deleted and can be restored."""
    ELSEWHERE = "elsewhere"
    """It is allowed in another place."""
    INACTIVE_SUBJECT = "inactive_subject"
    """The user is suspended, deleted or unknown."""
    NOTHING = "nothing"
    """Nothing that was ever granted allows it."""


@dataclass(frozen=True)
class Nearest:
    """The grant that comes nearest to allowing what is denied, and in what it falls short."""

    nearness: Nearness
    ground: Ground | None = None


def speaking(grounds: Sequence[Ground], now: datetime, within: frozenset[UUID]) -> list[Ground]:
    """Those of a permission's grants that speak here and now."""
    return [ground for ground in grounds if _is_alive(ground, now) and ground.is_there and ground.reaches(within)]


def told(decision: Decision[Ground]) -> Decision[Ground]:
    """A decision with as many of its grants as can be told, those that count before others and what decided first."""
    if len(decision.weighed) <= MOST_TOLD:
        return decision
    first = sorted(decision.weighed, key=lambda each: (each.ground is not decision.decisive, not each.counts))
    return replace(decision, weighed=tuple(first[:MOST_TOLD]))


def nearest(
    decision: Decision[Ground], grounds: Sequence[Ground], now: datetime, within: frozenset[UUID], *, is_active: bool
) -> Nearest:
    """What would have to change for a denied question to be allowed, of all that was granted to the subject."""
    if not is_active:
        return Nearest(Nearness.INACTIVE_SUBJECT)
    allowing = [each for each in decision.weighed if not each.ground.denies]
    if decision.decisive is not None and decision.decisive.denies and any(each.counts for each in allowing):
        return Nearest(Nearness.DENIAL, decision.decisive)
    if allowing:
        return Nearest(Nearness.CONDITION, min(allowing, key=_unmet).ground)
    others = [ground for ground in grounds if not ground.denies and ground.is_there]
    here = [ground for ground in others if ground.reaches(within)]
    gone = [ground for ground in grounds if not ground.denies and not ground.is_there and ground.reaches(within)]
    tiers = (
        (Nearness.NOT_BEGUN, [each for each in here if each.is_active and now < each.starts_at]),
        (Nearness.ENDED, [each for each in here if each.is_active and not now < each.starts_at]),
        (Nearness.INACTIVE_ROLE, [each for each in here if each.holds_at(now)]),
        (Nearness.DELETED_ORGANIZATION, [each for each in gone if _is_alive(each, now)]),
        (Nearness.ELSEWHERE, [each for each in others if _is_alive(each, now)]),
    )
    for nearness, found in tiers:
        if found:
            return Nearest(nearness, min(found, key=lambda each: abs(_distance(each, now))))
    return Nearest(Nearness.NOTHING)


def _is_alive(ground: Ground, now: datetime) -> bool:
    return ground.is_active and ground.holds_at(now)


def _unmet(weighed: Weighed[Ground]) -> int:
    return sum(outcome.holds is not True for outcome in weighed.outcomes)


def _distance(ground: Ground, now: datetime) -> float:
    """Seconds between now and the time at which it holds."""
    if now < ground.starts_at:
        return (ground.starts_at - now).total_seconds()
    return 0 if ground.expires_at is None else max(0.0, (now - ground.expires_at).total_seconds())
