"""Nobody gives what he does not hold."""

from uuid import UUID

import pytest

from orion_core.ids import uuid7
from orion_user.access.rules import EVERYWHERE, Grant, Place, effective_permissions, may_as_much
from orion_user.delegation.rules import not_held
from orion_user.permissions.rules import PermissionEffect, PermissionScope

ORGANIZATION, TEAM_ID = uuid7(), uuid7()
DENY = PermissionEffect.DENY


def place(scope: PermissionScope, *ids: UUID) -> Place:
    return Place(scope, ids[0], frozenset(ids))


ORG, OTHER = place(PermissionScope.ORG, ORGANIZATION), place(PermissionScope.ORG, uuid7())
TEAM = place(PermissionScope.TEAM, TEAM_ID, ORGANIZATION)


def grant(where: Place, effect: PermissionEffect = PermissionEffect.ALLOW, *, conditional: bool = False) -> Grant:
    return Grant("a:b", effect, where, conditional)


@pytest.mark.parametrize("where", [EVERYWHERE, ORG, TEAM])
def test_what_is_held_around_a_place_may_be_given_there(where: Place) -> None:
    assert not_held(["a:b"], [grant(EVERYWHERE)], where) == []
    assert not_held(["a:b", "c:d"], [grant(EVERYWHERE)], where) == ["c:d"]


def test_and_no_further() -> None:
    held = [grant(TEAM)]
    assert [not_held(["a:b"], held, where) for where in (TEAM, ORG, OTHER, EVERYWHERE)] == [[], *[["a:b"]] * 3]


def test_what_holds_under_a_condition_is_not_held() -> None:
    assert not_held(["a:b"], [grant(EVERYWHERE, conditional=True)], ORG) == ["a:b"]


@pytest.mark.parametrize("denied", [EVERYWHERE, ORG, TEAM])
@pytest.mark.parametrize("conditional", [True, False])
def test_a_denial_that_reaches_into_the_place_counts(denied: Place, conditional: bool) -> None:
    held = [grant(EVERYWHERE), grant(denied, DENY, conditional=conditional)]
    assert not_held(["a:b"], held, ORG) == ["a:b"]
    assert not_held(["a:b"], held, OTHER) == (["a:b"] if denied is EVERYWHERE else [])


@pytest.mark.parametrize(
    ("mine", "theirs", "as_much"),
    [
        (False, False, True),
        (True, False, True),
        (False, True, False),
        (True, True, False),
    ],
)
def test_of_two_who_are_denied_something_in_one_place_a_condition_makes_the_difference(
    mine: bool, theirs: bool, as_much: bool
) -> None:
    """Theirs may not apply while mine does; two conditions need not be the same."""
    own, other = (
        effective_permissions([grant(EVERYWHERE), grant(TEAM, DENY, conditional=conditional)])
        for conditional in (mine, theirs)
    )
    assert may_as_much(own, other) is as_much
