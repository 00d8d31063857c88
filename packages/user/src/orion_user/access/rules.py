"""What follows from a user's grants."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from orion_core.rights.decisions import Saying
from orion_user.permissions.rules import PermissionEffect, PermissionScope


@dataclass(frozen=True)
class Place:
    """Where a grant holds: everywhere, or in one organization, in one team, for one user.

    `within` are the ids of everything that it lies in, its own included; empty everywhere. A team lies in its parent
    teams and its organization.
    """

    scope: PermissionScope
    id: UUID | None = None
    within: frozenset[UUID] = frozenset()

    def covers(self, other: "Place") -> bool:
        """Whether what holds here holds there."""
        return self.id is None or self.id in other.within


EVERYWHERE = Place(PermissionScope.GLOBAL)


@dataclass(frozen=True, slots=True)
class Asked:
    """May a user do it, in a place that lies in all of these, at this moment?"""

    user_id: UUID
    permission: str
    now: datetime
    within: frozenset[UUID]


@dataclass(frozen=True)
class HeldRole:
    """A role that a user has now, by an assignment of it or of one that inherits from it."""

    name: str
    display_name: str
    through: str
    """The role that was assigned; the same as `name` when this one was."""
    place: Place
    conditional: bool
    starts_at: datetime
    expires_at: datetime | None
    reason: str | None


@dataclass(frozen=True)
class Source:
    """Where a grant comes from: a role, held `through` another that inherits from it; no role: given directly."""

    role: str | None = None
    through: str | None = None


@dataclass(frozen=True)
class Grant:
    """One thing that a user's roles and direct permissions say at this moment.

    `conditional`: it holds only under a condition, which has not been looked at.
    """

    permission: str
    effect: PermissionEffect
    place: Place = EVERYWHERE
    conditional: bool = False
    source: Source = Source()


@dataclass(frozen=True)
class Exclusion:
    """Where a permission does not hold although it holds around it; perhaps not, when `conditional`."""

    place: Place
    conditional: bool


@dataclass(frozen=True)
class EffectivePermission:
    """What a user may do, where, where not, and why.

    `conditional`: whether they may depends on conditions, of what allows it or of what denies it.
    """

    permission: str
    place: Place
    conditional: bool
    exclusions: tuple[Exclusion, ...]
    sources: tuple[Source, ...]

    def holds(self, place: Place) -> bool:
        """Whether it surely holds there, without regard to any condition."""
        excluded = any(exclusion.place.covers(place) for exclusion in self.exclusions)
        return self.place.covers(place) and not self.conditional and not excluded

    def reaches(self, other: "EffectivePermission") -> bool:
        """Whether it surely holds wherever the other may hold: two conditions that exclude need not be the same."""
        lacking = {each.place for each in self.exclusions if other.place.covers(each.place)}
        lacked_too = {each.place for each in other.exclusions if not each.conditional}
        return self.permission == other.permission and self.holds(other.place) and lacking <= lacked_too


def may_as_much(own: Iterable[EffectivePermission], theirs: Iterable[EffectivePermission]) -> bool:
    """Whether everything in `theirs` is in `own` too, and in the same places: what one may in an organization is
    nothing outside of it.
    """
    everything = list(own)
    return all(any(mine.reaches(each) for mine in everything) for each in theirs)


def might_be_allowed(sayings: Iterable[Saying]) -> bool:
    """Whether something is allowed where nothing is known of the circumstances: under some condition, it may be."""
    everything = list(sayings)
    denied = any(each.denies and not each.conditions for each in everything)
    return not denied and any(not each.denies for each in everything)


def effective_permissions(grants: Iterable[Grant]) -> list[EffectivePermission]:
    """What all grants together come to: DENY wins, wherever it comes from and however narrow the ALLOW is.

    One entry for each permission and place that something allows, ordered by name. An ALLOW that lies wholly in a DENY
    is left out.
    """
    everything = sorted(grants, key=_order)
    found: list[EffectivePermission] = []
    for permission, group in groupby(everything, key=lambda grant: grant.permission):
        of_permission = list(group)
        denials = [grant for grant in of_permission if grant.effect is PermissionEffect.DENY]
        allowing = [grant for grant in of_permission if grant.effect is PermissionEffect.ALLOW]
        by_place: dict[Place, list[Grant]] = defaultdict(list)
        for grant in allowing:
            by_place[grant.place].append(grant)
        for place, here in by_place.items():
            if (outcome := _outcome(permission, place, here, denials)) is not None:
                found.append(outcome)
    return found


def _outcome(
    permission: str, place: Place, allowing: Collection[Grant], denials: Collection[Grant]
) -> EffectivePermission | None:
    covering = [denial for denial in denials if denial.place.covers(place)]
    if any(not denial.conditional for denial in covering):
        return None
    elsewhere = (Exclusion(denial.place, denial.conditional) for denial in denials if denial not in covering)
    return EffectivePermission(
        permission=permission,
        place=place,
        conditional=bool(covering) or all(grant.conditional for grant in allowing),
        exclusions=tuple(dict.fromkeys(elsewhere)),
        sources=tuple(dict.fromkeys(grant.source for grant in allowing)),
    )


def _order(grant: Grant) -> tuple[str, str, str, str, str]:
    place, source = grant.place, grant.source
    scope = list(PermissionScope).index(place.scope)
    return grant.permission, str(scope), str(place.id or ""), source.role or "", source.through or ""
