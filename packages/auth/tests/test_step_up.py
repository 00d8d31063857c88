"""A dangerous change needs a proof that is recent, and says how to give one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_contracts.claims import AccessClaims
from orion_core.errors import Problem
from orion_core.http.authentication import RECENT, require_recent

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def claims(auth_time: datetime | None) -> AccessClaims:
    seconds = int(auth_time.timestamp()) if auth_time else None
    return AccessClaims(
        iss="i", aud="orion", sub="u", client_id="web", sid="s", exp=2**31, iat=0, jti="1", auth_time=seconds
    )


@given(age=st.integers(-60, 100_000), within=st.integers(1, 3600))
def test_a_proof_is_good_for_as_long_as_was_said(age: int, within: int) -> None:
    shown = claims(NOW - timedelta(seconds=age))
    if age <= within:
        require_recent(shown, NOW, timedelta(seconds=within))
    else:
        with pytest.raises(Problem):
            require_recent(shown, NOW, timedelta(seconds=within))


@pytest.mark.parametrize("auth_time", [None, NOW - RECENT - timedelta(seconds=1)])
def test_the_challenge_is_that_of_rfc_9470(auth_time: datetime | None) -> None:
    with pytest.raises(Problem) as refused:
        require_recent(claims(auth_time), NOW)
    assert (refused.value.status, refused.value.code) == (401, "reauthentication_required")
    challenge = refused.value.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer error="insufficient_user_authentication"')
    assert 'max_age="300"' in challenge
