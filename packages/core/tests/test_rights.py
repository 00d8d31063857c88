"""What grants come to, against the plain definition; and rights in memory, which are never old."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_core.conditions.condition import Facts
from orion_core.ids import uuid7
from orion_core.rights.client import RightsClient
from orion_core.rights.decider import Decider, Rights
from orion_core.rights.decisions import Ground, Reason, decide
from orion_core.testing import UserRights

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SUBJECT = UUID(int=9)
PLACES = [UUID(int=number) for number in range(1, 4)]
CONDITIONS = {"true": True, "context.level > 3": True, "context.level > 5": False, "context.missing": None}
"""What each comes to under FACTS; None: it fails."""
FACTS = Facts(NOON, {}, {}, {"level": 4}, {})

GROUNDS = st.builds(
    Ground,
    id=st.uuids(),
    user_id=st.just(SUBJECT),
    permission=st.sampled_from(["content:read", "content:update"]),
    denies=st.booleans(),
    scope=st.just("ORG"),
    scope_id=st.none() | st.sampled_from(PLACES),
    conditions=st.lists(st.sampled_from(list(CONDITIONS)), max_size=2).map(tuple),
    role=st.none() | st.just("editor"),
    through=st.none(),
    starts_at=st.sampled_from([NOON - HOUR, NOON, NOON + HOUR]),
    expires_at=st.sampled_from([None, NOON + 2 * HOUR, NOON + HOUR, NOON]),
    is_active=st.booleans() | st.just(True),
)
PLACE = st.frozensets(st.sampled_from(PLACES))
MOMENT = st.sampled_from([NOON - 2 * HOUR, NOON - HOUR, NOON, NOON + HOUR, NOON + 2 * HOUR])


def defined(grounds: Sequence[Ground], permission: str, now: datetime, within: frozenset[UUID]) -> bool:
    """The rules, said once more and as plainly as they can be."""
    allowed = False
    for ground in grounds:
        if ground.permission != permission or not ground.is_active:
            continue
        if ground.scope_id is not None and ground.scope_id not in within:
            continue
        if now < ground.starts_at or (ground.expires_at is not None and now >= ground.expires_at):
            continue
        values = [CONDITIONS[text] for text in ground.conditions]
        if ground.denies and False not in values:
            return False
        if not ground.denies and all(values):
            allowed = True
    return allowed


def held(grounds: Sequence[Ground], *, is_active: bool = True) -> Rights:
    by_permission: dict[str, tuple[Ground, ...]] = {}
    for ground in grounds:
        by_permission[ground.permission] = (*by_permission.get(ground.permission, ()), ground)
    return Rights(SUBJECT, "1", is_active, by_permission)


@given(st.lists(GROUNDS, max_size=8), st.sampled_from(["content:read", "content:update"]), MOMENT, PLACE)
def test_decisions_are_those_of_the_definition(
    grounds: list[Ground], permission: str, now: datetime, within: frozenset[UUID]
) -> None:
    rights = held(grounds)
    expected = defined(grounds, permission, now, within)
    assert rights.allows(permission, now, within, FACTS) is expected
    decision = rights.decide(permission, now, within, FACTS)
    assert decision.allowed is expected
    assert (decision.reason is Reason.ALLOWED) is expected
    assert not held(grounds, is_active=False).allows(permission, now, within, FACTS)


@given(st.lists(GROUNDS, max_size=8), GROUNDS)
def test_one_more_denial_never_allows_more(grounds: list[Ground], more: Ground) -> None:
    before = decide(grounds, FACTS).allowed
    after = decide([*grounds, more], FACTS).allowed
    assert before or not after or not more.denies


@given(st.lists(GROUNDS, max_size=6), st.randoms(use_true_random=False))
def test_their_order_does_not_matter(grounds: list[Ground], chance: object) -> None:
    shuffled = list(grounds)
    chance.shuffle(shuffled)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    assert decide(grounds, FACTS).allowed is decide(shuffled, FACTS).allowed


def test_a_text_that_is_no_condition_fails_like_one_that_fails() -> None:
    def with_text(*, denies: bool) -> Ground:
        return Ground(denies, ("no condition",), uuid7(), SUBJECT, "a:b", "GLOBAL", None, None, None, NOON, None)

    assert decide([with_text(denies=False)], FACTS).reason is Reason.CONDITION
    assert decide([with_text(denies=True)], FACTS).reason is Reason.DENIED


class Source:
    """Rights whose version a test moves."""

    def __init__(self) -> None:
        self.version = 1
        self.read = 0

    async def refresh(self, subject_id: UUID, known: str | None) -> Rights | None:
        if known == str(self.version):
            return None
        self.read += 1
        return Rights(subject_id, str(self.version), is_active=True, grounds={})


async def test_rights_are_read_anew_when_and_only_when_their_version_has_moved() -> None:
    source = Source()
    decider = Decider(source.refresh)
    for version, read in ((1, 1), (1, 1), (2, 2), (2, 2)):
        source.version = version
        assert (await decider.rights(SUBJECT)).version == str(version)
        assert source.read == read


async def test_only_so_many_subjects_are_kept() -> None:
    source = Source()
    decider = Decider(source.refresh, most=2)
    for subject, read in ((1, 1), (2, 2), (1, 2), (3, 3), (1, 3), (2, 4)):
        await decider.rights(UUID(int=subject))
        assert source.read == read


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_rights_in_memory_follow_the_clock(offset: int) -> None:
    """A grant that begins or ends while its rights are kept counts from its start, until its end."""
    instant = timedelta(microseconds=offset)
    ground = Ground(False, (), uuid7(), SUBJECT, "a:b", "GLOBAL", None, None, None, NOON, NOON + HOUR)
    assert held([ground]).allows("a:b", NOON + instant) is (offset >= 0)
    assert held([ground]).allows("a:b", NOON + HOUR + instant) is (offset < 0)


def ground(**more: Any) -> Ground:
    """One that allows `user:read` everywhere and for good, but for `more`."""
    plain = Ground(False, (), uuid7(), SUBJECT, "user:read", "GLOBAL", None, None, None, NOON - HOUR, None)
    return replace(plain, **more)


HERE, THERE = PLACES[0], PLACES[1]
COVERED: dict[str, tuple[list[Ground], list[Ground], bool]] = {
    "the same": ([ground()], [ground()], True),
    "nothing": ([], [], True),
    "everywhere, for one place": ([ground()], [ground(scope_id=HERE)], True),
    "one place, for everywhere": ([ground(scope_id=HERE)], [ground()], False),
    "one place, for another": ([ground(scope_id=HERE)], [ground(scope_id=THERE)], False),
    "under a condition, which holds now": ([ground(conditions=("true",))], [ground()], False),
    "what the other has under a condition": ([], [ground(conditions=("false",))], False),
    "what begins later for the other": ([], [ground(starts_at=NOON + HOUR)], False),
    "what begins later for oneself": ([ground(starts_at=NOON + HOUR)], [ground()], False),
    "what has ended for oneself": ([ground(expires_at=NOON)], [ground()], False),
    "of a role that is not active": ([ground(is_active=False)], [ground()], False),
    "denied in a place": ([ground(), ground(denies=True, scope_id=HERE)], [ground()], False),
    "denied around the place, perhaps": (
        [ground(), ground(denies=True, scope_id=HERE)],
        [ground(scope_id=THERE)],
        False,
    ),
    "denied in a place to both": (
        [ground(), ground(denies=True, scope_id=HERE)],
        [ground(), ground(denies=True, scope_id=HERE)],
        True,
    ),
    "denied to the other under a condition alone": (
        [ground(), ground(denies=True, scope_id=HERE)],
        [ground(), ground(denies=True, scope_id=HERE, conditions=("true",))],
        False,
    ),
    "what is denied to the other alone": ([], [ground(denies=True)], True),
}


@pytest.mark.parametrize("case", COVERED)
def test_nobody_is_above_another_by_what_he_may_lack(case: str) -> None:
    mine, theirs, expected = COVERED[case]
    assert held(mine).cover(held(theirs), NOON) is expected
    assert held(mine).cover(held(theirs, is_active=False), NOON) is expected, "a suspension is lifted one day"


class NoTokens:
    async def headers(self, method: str, url: str) -> dict[str, str]:
        del method, url
        return {}

    def forget(self) -> None: ...


async def test_user_is_asked_also_where_its_url_ends_with_a_slash() -> None:
    user = UserRights()
    user.granted[SUBJECT] = {"user:read": False}
    rights = await RightsClient(user.client(), "http://user.test/", NoTokens()).refresh(SUBJECT, None)
    assert rights is not None
    assert rights.allows("user:read", NOON)
