"""Which sessions make room for a new one."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from orion_auth.sessions.rules import too_many


@given(count=st.integers(0, 30), most=st.integers(0, 40))
def test_as_many_stay_as_may_and_those_are_the_ones_used_last(count: int, most: int) -> None:
    live = [UUID(int=number) for number in range(count)]
    ended = too_many(live, most)
    assert len(live) - len(ended) + 1 == min(count + 1, max(most, 1))
    assert list(ended) == live[: len(ended)]
