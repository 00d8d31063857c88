"""Which sessions make room for a new one."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from orion_auth.sessions.rules import LiveSession, too_many

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@given(ages=st.lists(st.integers(0, 1000), min_size=1, max_size=30), most=st.integers(0, 40), data=st.data())
def test_as_many_stay_as_may_and_those_are_the_ones_used_last(ages: list[int], most: int, data: st.DataObject) -> None:
    live = [LiveSession(UUID(int=number), NOON - timedelta(minutes=age)) for number, age in enumerate(ages)]
    newest = data.draw(st.sampled_from(live))
    ended = set(too_many(live, most, newest.id))
    stay = [session for session in live if session.id not in ended]
    assert newest in stay
    assert len(stay) == min(len(live), max(most, 1))
    used = [session.last_used_at for session in stay if session != newest]
    assert all(session.last_used_at <= min(used, default=NOON) for session in live if session.id in ended)
