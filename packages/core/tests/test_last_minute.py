"""Counting what a minute has room for; that it is exact over processes is tested in user and notifications."""

from hypothesis import given
from hypothesis import strategies as st

from orion_core.last_minute import WINDOW, wait


@given(st.lists(st.integers(0, 200), max_size=61), st.integers(100, 200))
def test_who_waits_as_long_as_told_finds_a_use_that_counts_no_longer(seconds: list[int], now: int) -> None:
    counted = [second for second in seconds if now - WINDOW - 1 < second <= now]
    waited = now + wait(counted, now)
    assert waited > now
    assert not counted or min(counted) <= waited - WINDOW - 1
