"""Who is in good standing."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orion_auth.identities.rules import IdentityStatus, standing

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOCKS = st.none() | st.timedeltas(timedelta(days=-9), timedelta(days=9)).map(lambda apart: NOW + apart)


@given(st.sampled_from(IdentityStatus), LOCKS)
def test_only_active_and_unlocked_is_good(status: IdentityStatus, locked_until: datetime | None) -> None:
    locked = locked_until is not None and locked_until > NOW
    good = standing(status, locked_until, NOW) == "GOOD"
    ended = status is IdentityStatus.LOCKED and locked_until is not None
    assert good == (not locked and (status is IdentityStatus.ACTIVE or ended))


def test_a_lock_ends_by_itself() -> None:
    assert standing(IdentityStatus.LOCKED, NOW, NOW - timedelta(seconds=1)) == "LOCKED"
    assert standing(IdentityStatus.LOCKED, NOW, NOW) == "GOOD"
    assert standing(IdentityStatus.LOCKED, None, NOW) == "LOCKED"
