"""Explanations as they are sent: grants with their conditions and values, and in words what comes nearest."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from orion_core.conditions.condition import Facts, compile_condition
from orion_core.conditions.grammar import InvalidConditionError
from orion_core.rights.decisions import Ground, Weighed, weigh
from orion_user.decisions.actions import Explained
from orion_user.decisions.rules import Nearest, Nearness, Question
from orion_user.decisions.shapes import ConditionShape, ExplanationShape, GroundShape, NearestShape


def explanation(explained: Explained, question: Question, at: datetime) -> ExplanationShape:
    """An explanation as it is sent."""
    decision, facts = explained.decision, question.facts(at)
    return ExplanationShape(
        decision=decision.allowed,
        reason=decision.reason.value,
        at=at,
        permission=question.permission,
        decisive=decision.decisive.id if decision.decisive is not None else None,
        grants=[_ground(each, facts, explained.paths, counts=each.counts) for each in decision.weighed],
        nearest=None if explained.nearest is None else _nearest(explained, explained.nearest, facts),
    )


def _nearest(explained: Explained, nearest: Nearest, facts: Facts) -> NearestShape:
    ground = nearest.ground
    return NearestShape(
        nearness=nearest.nearness.value,
        detail=_words(nearest.nearness, ground),
        grant=None if ground is None else _ground(weigh(ground, facts), facts, explained.paths, counts=False),
        roles=explained.roles,
    )


def _words(nearness: Nearness, ground: Ground | None) -> str:
    if ground is None:
        if nearness is Nearness.INACTIVE_SUBJECT:
            return "The subject is no user here, or one who is suspended or deleted."
        return "Nothing that was ever granted to the subject allows it."
    where = "everywhere" if ground.scope_id is None else f"in {ground.scope} {ground.scope_id}"
    by = "a permission given directly" if ground.role is None else f"the role {ground.role}"
    if ground.role != ground.through:
        by += f" (through {ground.through})"
    return {
        Nearness.DENIAL: f"It is allowed, but denied {where} by {by}; that would have to end.",
        Nearness.CONDITION: f"It is allowed {where} by {by}, under a condition that is not met.",
        Nearness.NOT_BEGUN: f"It will be allowed {where} by {by}, from {ground.starts_at.isoformat()} on.",
        Nearness.ENDED: f"It was allowed {where} by {by}, until {_iso(ground.expires_at)}.",
        Nearness.INACTIVE_ROLE: f"It would be allowed {where} by {by}, but a role on the way is not active.",
        Nearness.DELETED_ORGANIZATION: f"It was allowed {where} by {by}, and will be when the organization, which is"
        " deleted, is restored.",
        Nearness.ELSEWHERE: f"It is allowed {where} by {by}, and not here.",
    }[nearness]


def _iso(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()


def _ground(weighed: Weighed[Ground], facts: Facts, paths: Mapping[UUID, list[str]], *, counts: bool) -> GroundShape:
    ground = weighed.ground
    conditions = [
        ConditionShape(text=text, holds=outcome.holds, fault=outcome.fault, values=_values(text, facts))
        for text, outcome in zip(ground.conditions, weighed.outcomes, strict=True)
    ]
    return GroundShape(
        id=ground.id,
        effect="DENY" if ground.denies else "ALLOW",
        scope=ground.scope,
        scope_id=ground.scope_id,
        role=ground.role,
        path=paths.get(ground.id, []),
        starts_at=ground.starts_at,
        expires_at=ground.expires_at,
        assigned_by=ground.assigned_by,
        reason=ground.reason,
        counts=counts,
        conditions=conditions,
    )


def _values(text: str, facts: Facts) -> dict[str, Any]:
    with suppress(InvalidConditionError):
        return compile_condition(text).values(facts)
    return {}
