"""Decisions in this process, from rights that are kept in memory and used only while they are the present ones.

Every request asks once for the subject's rights (`Decider.rights`), which costs one round trip: the source compares the
version that is kept with that in the database, and sends rights anew only when they differ. What was committed before
is therefore always seen. All decisions of the request are then made in memory (`Rights.allows`).

Kept are all grants that have not ended, also those that have not begun, and each decision looks at their times: so no
entry outlives the start or the end of a grant.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from orion_core.conditions.condition import Facts
from orion_core.rights.decisions import EVERYWHERE, Decision, Ground, Reason, decide

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Rights:
    """All that was granted to one subject and has not ended, as of one version."""

    subject_id: UUID
    version: str
    is_active: bool
    grounds: Mapping[str, tuple[Ground, ...]] = field(repr=False)
    """By permission."""

    def allows(
        self, permission: str, now: datetime, within: frozenset[UUID] = EVERYWHERE, facts: Facts | None = None
    ) -> bool:
        """Whether the subject may, in a place that lies in `within`; without facts, conditions find nothing."""
        if not self.is_active:
            return False
        allowed = False
        for ground in self.grounds.get(permission, ()):
            if ground.is_active and (ground.scope_id is None or ground.scope_id in within) and ground.holds_at(now):
                if ground.conditions:
                    return self.decide(permission, now, within, facts).allowed
                if ground.denies:
                    return False
                allowed = True
        return allowed

    def decide(
        self, permission: str, now: datetime, within: frozenset[UUID] = EVERYWHERE, facts: Facts | None = None
    ) -> Decision[Ground]:
        """The decision with its reason."""
        if not self.is_active:
            return Decision(allowed=False, reason=Reason.INACTIVE_SUBJECT)
        speaking = self.speaking(permission, now, within)
        return decide(speaking, facts or Facts(now, NOTHING, NOTHING, NOTHING, NOTHING))

    def speaking(self, permission: str, now: datetime, within: frozenset[UUID]) -> list[Ground]:
        """The grants that speak of a permission at the place and at the time."""
        return [
            ground
            for ground in self.grounds.get(permission, ())
            if ground.reaches(within) and ground.holds_at(now) and ground.is_active
        ]

    def cover(self, others: "Rights", now: datetime) -> bool:
        """Whether the subject surely may all that was granted to another one, in the same places; also what begins
        later. What holds under a condition is not surely held, nor what is denied anywhere that the other may.
        """
        granted = (ground for grounds in others.grounds.values() for ground in grounds if not ground.denies)
        return self.is_active and all(self._surely_holds(each, others, now) for each in granted)

    def _surely_holds(self, wanted: Ground, others: "Rights", now: datetime) -> bool:
        mine = [each for each in self.grounds.get(wanted.permission, ()) if each.is_active and each.holds_at(now)]
        # Which team lies in which organization is not known here: a denial counts wherever it is.
        lacking = {each.scope_id for each in mine if each.denies}
        lacked_too = {
            each.scope_id
            for each in others.grounds[wanted.permission]
            if each.denies and not each.conditions and each.is_active and each.holds_at(now)
        }
        held = {each.scope_id for each in mine if not each.denies and not each.conditions}
        return bool(held & {None, wanted.scope_id}) and None not in lacking and lacking <= lacked_too


Refresh = Callable[[UUID, str | None], Awaitable[Rights | None]]
"""The rights of a subject, or None when they are still those of the version that is named."""


class Decider:
    """The rights of the subjects that were asked for last."""

    def __init__(self, refresh: Refresh, most: int = 10_000) -> None:
        self._refresh = refresh
        self._most = most
        self._kept: OrderedDict[UUID, Rights] = OrderedDict()

    async def rights(self, subject_id: UUID) -> Rights:
        """The rights as they are now: what was committed before this call is in them. For one request, not longer."""
        kept = self._kept.get(subject_id)
        fresh = await self._refresh(subject_id, kept.version if kept is not None else None)
        if fresh is None:
            assert kept is not None  # only what was named can be called unchanged
            self._kept[subject_id] = kept
            fresh = kept
        else:
            self._kept[subject_id] = fresh
        self._kept.move_to_end(subject_id)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return fresh
