"""The last way into an account."""

from hypothesis import given
from hypothesis import strategies as st

from orion_auth.ways_in import is_one_left


@given(st.booleans(), st.integers(0, 3), st.booleans())
def test_any_of_them_is_enough(has_password: bool, passkeys: int, elsewhere: bool) -> None:
    left = any([has_password, passkeys, elsewhere])
    assert is_one_left(has_password=has_password, passkeys=passkeys, has_account_elsewhere=elsewhere) is left
