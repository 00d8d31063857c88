"""When a key is good."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from orion_user.api_keys.rules import LONGEST_LIFETIME, Ends, admits, successor_expires_at

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds it


@given(st.none() | MOMENTS, st.none() | MOMENTS, st.none() | MOMENTS, MOMENTS)
def test_a_key_ends_by_whatever_comes_first_and_never_begins_again(
    expires: datetime | None, overlap: datetime | None, revoked: datetime | None, now: datetime
) -> None:
    ends = Ends(expires, overlap, revoked)
    assert ends.is_good(now) == (revoked is None and all(end is None or now < end for end in (expires, overlap)))
    if not ends.is_good(now):
        assert not ends.is_good(now + timedelta(days=1))


def test_an_empty_list_allows_everywhere_and_families_do_not_mix() -> None:
    assert admits([], ip_address("203.0.113.7"))
    allowed = [ip_network("203.0.113.0/24"), ip_network("2001:db8::/32")]
    assert admits(allowed, ip_address("203.0.113.7"))
    assert admits(allowed, ip_address("2001:db8::1"))
    assert not admits(allowed, ip_address("203.0.114.7"))
    assert not admits(allowed, ip_address("::ffff:203.0.113.7"))


def test_a_successor_lives_as_long_as_its_predecessor_was_to() -> None:
    assert successor_expires_at(NOON - timedelta(days=80), NOON + timedelta(days=10), NOON) == NOON + timedelta(days=90)
    assert successor_expires_at(NOON, None, NOON) == NOON + LONGEST_LIFETIME
