"""Effective permissions agree with the plain definition of what is allowed."""

from random import Random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from orion_user.access.rules import EVERYWHERE, EffectivePermission, Grant, Place, Source, effective_permissions
from orion_user.permissions.rules import PermissionEffect, PermissionScope

ORG_1, ORG_2, TEAM, SUBTEAM, USER = (UUID(int=number) for number in range(1, 6))

PLACES = [
    EVERYWHERE,
    Place(PermissionScope.ORG, ORG_1, frozenset({ORG_1})),
    Place(PermissionScope.ORG, ORG_2, frozenset({ORG_2})),
    Place(PermissionScope.TEAM, TEAM, frozenset({TEAM, ORG_1})),
    Place(PermissionScope.TEAM, SUBTEAM, frozenset({SUBTEAM, TEAM, ORG_1})),
    Place(PermissionScope.USER, USER, frozenset({USER})),
]
SPOTS = [*PLACES, Place(PermissionScope.USER, None, frozenset({USER, SUBTEAM, TEAM, ORG_1}))]
"""Where something may be asked for: also at a resource that is a user's and a team's at the same time."""

GRANTS = st.lists(
    st.builds(
        Grant,
        permission=st.sampled_from(["content:read", "content:update"]),
        effect=st.sampled_from(PermissionEffect),
        place=st.sampled_from(PLACES),
        conditional=st.booleans(),
        source=st.sampled_from([Source(), Source("user", "user"), Source("user", "admin")]),
    ),
    max_size=8,
)


def surely_allowed(grants: list[Grant], permission: str, spot: Place) -> bool:
    """The definition: something unconditional allows it here, and nothing denies it here, condition or not."""
    here = [grant for grant in grants if grant.permission == permission and grant.place.covers(spot)]
    allows = any(grant.effect is PermissionEffect.ALLOW and not grant.conditional for grant in here)
    return allows and all(grant.effect is PermissionEffect.ALLOW for grant in here)


def holds(found: list[EffectivePermission], permission: str, spot: Place) -> bool:
    return any(each.permission == permission and each.holds(spot) for each in found)


@given(GRANTS, st.sampled_from(["content:read", "content:update"]), st.sampled_from(SPOTS))
def test_what_holds_is_what_the_definition_allows(grants: list[Grant], permission: str, spot: Place) -> None:
    assert holds(effective_permissions(grants), permission, spot) == surely_allowed(grants, permission, spot)


@given(GRANTS, st.randoms(use_true_random=False))
def test_the_order_of_grants_does_not_matter(grants: list[Grant], chance: Random) -> None:
    shuffled = grants.copy()
    chance.shuffle(shuffled)
    first, second = effective_permissions(grants), effective_permissions(shuffled)
    for permission in ("content:read", "content:update"):
        for spot in SPOTS:
            assert holds(first, permission, spot) == holds(second, permission, spot)


@given(GRANTS)
def test_nothing_is_said_twice_and_everything_has_a_source(grants: list[Grant]) -> None:
    found = effective_permissions(grants)
    assert len({(each.permission, each.place) for each in found}) == len(found)
    assert all(each.sources for each in found)


@given(GRANTS, st.sampled_from(PLACES))
def test_one_more_denial_never_allows_more(grants: list[Grant], place: Place) -> None:
    denial = Grant("content:read", PermissionEffect.DENY, place)
    before, after = effective_permissions(grants), effective_permissions([*grants, denial])
    assert all(holds(before, "content:read", spot) for spot in SPOTS if holds(after, "content:read", spot))
    assert not any(holds(after, "content:read", spot) for spot in SPOTS if place.covers(spot))


def test_a_condition_is_never_taken_for_granted() -> None:
    allow = Grant("content:read", PermissionEffect.ALLOW)
    (only_if,) = effective_permissions([Grant("content:read", PermissionEffect.ALLOW, conditional=True)])
    (unless,) = effective_permissions([allow, Grant("content:read", PermissionEffect.DENY, conditional=True)])
    assert only_if.conditional
    assert unless.conditional
    (anyway,) = effective_permissions([allow, Grant("content:read", PermissionEffect.ALLOW, conditional=True)])
    assert not anyway.conditional
