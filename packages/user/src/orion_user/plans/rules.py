"""What differs between the rights before a change and after it."""

from collections.abc import Iterable
from dataclasses import dataclass

from orion_user.access.rules import EffectivePermission


@dataclass(frozen=True)
class Difference:
    """What a user would get and lose."""

    given: tuple[EffectivePermission, ...]
    taken: tuple[EffectivePermission, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change."""
        return not self.given and not self.taken


def difference(before: Iterable[EffectivePermission], after: Iterable[EffectivePermission]) -> Difference:
    """What is allowed after and was not before, and the other way round; from what it comes does not matter.

    What would hold under a condition only, or less far, is given anew and taken as it was.
    """
    was, will = ({_what(each): each for each in rights} for rights in (before, after))
    return Difference(
        given=tuple(each for what, each in will.items() if what not in was),
        taken=tuple(each for what, each in was.items() if what not in will),
    )


def _what(each: EffectivePermission) -> tuple[object, ...]:
    return each.permission, each.place, each.conditional, frozenset(each.exclusions)
