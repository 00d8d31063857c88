"""Who may come in."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from orion_auth.sessions.rules import Standing, decide

STANDINGS = st.none() | st.sampled_from(get_args(Standing))


@given(STANDINGS, st.booleans())
def test_in_only_with_the_password_and_in_good_standing(standing: Standing | None, right: bool) -> None:
    assert (decide(standing, right).outcome == "SUCCESS") == (standing == "GOOD" and right)


@given(STANDINGS)
def test_without_the_password_nothing_is_learnt(standing: Standing | None) -> None:
    assert decide(standing, False).outcome == "FAILED"
    assert decide(standing, False).reason in ("UNKNOWN_IDENTITY", "WRONG_PASSWORD")
