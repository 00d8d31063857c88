"""What may be asked for, and which time steps are good."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from pyotp.totp import TOTP

from orion_auth.two_factor.rules import (
    BACKUP_CODE_LENGTH,
    BACKUP_CODE_LETTERS,
    TOTP_PERIOD,
    Enrolled,
    matching_step,
    normalise_backup_code,
    offered,
    spoken_backup_code,
)
from orion_auth.two_factor_methods import FactorPolicy, TwoFactorMethod, references

FACTORS = set(TwoFactorMethod) - {TwoFactorMethod.BACKUP_CODE}
METHODS = st.frozensets(st.sampled_from(sorted(FACTORS, key=str)))
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
STEPS = st.integers(2, 2**31 // TOTP_PERIOD)


def moment(step: int, second: int = 0) -> datetime:
    return datetime.fromtimestamp(step * TOTP_PERIOD + second, UTC)


@given(METHODS, METHODS, st.none() | st.sampled_from(sorted(FACTORS, key=str)), st.integers(0, 10), st.booleans())
def test_who_has_second_factors_is_asked_for_one_of_them(
    verified: frozenset[TwoFactorMethod],
    allowed: frozenset[TwoFactorMethod],
    primary: TwoFactorMethod | None,
    backup_codes: int,
    by_email: bool,
) -> None:
    methods = offered(Enrolled(True, verified, primary, backup_codes), FactorPolicy(allowed), is_by_email=by_email)
    assert set(methods) - {TwoFactorMethod.BACKUP_CODE} <= verified
    assert (TwoFactorMethod.BACKUP_CODE in methods) == (backup_codes > 0)
    assert len(set(methods)) == len(methods)
    if by_email:
        assert TwoFactorMethod.EMAIL not in methods
    if verified and not by_email:
        assert methods, "a policy never takes somebody's last second factor off him"
    if primary in methods:
        assert methods[0] is primary


@given(METHODS, st.booleans())
def test_what_is_not_enabled_is_not_asked_for(verified: frozenset[TwoFactorMethod], by_email: bool) -> None:
    assert offered(Enrolled(False, verified), FactorPolicy(), is_by_email=by_email) == ()


@given(st.sampled_from(TwoFactorMethod))
def test_a_token_tells_that_there_were_two(method: TwoFactorMethod) -> None:
    told = references(("pwd",), method)
    assert told[0] == "pwd"
    assert told[-1] == "mfa"
    assert len(set(told)) == len(told) == 3


@given(STEPS, st.integers(-3, 3), st.integers(0, TOTP_PERIOD - 1), st.integers(0, 1))
def test_a_code_is_good_within_the_drift_of_clocks(step: int, apart: int, second: int, drift: int) -> None:
    """With a drift of 0 it is good for its own 30 seconds and no others."""
    code = TOTP(SECRET).generate_otp(max(0, step + apart))
    found = matching_step(SECRET, code, moment(step, second), None, drift)
    if abs(apart) <= drift:
        assert found is not None
    if found is not None:
        assert abs(found - step) <= drift
        assert TOTP(SECRET).generate_otp(found) == code


@given(STEPS, st.integers(0, TOTP_PERIOD - 1), st.integers(-2, 2))
def test_a_step_that_was_accepted_is_over_and_so_is_all_before_it(step: int, second: int, apart: int) -> None:
    code = TOTP(SECRET).generate_otp(step)
    found = matching_step(SECRET, code, moment(step, second), step + apart, 1)
    assert found is None or found > step + apart


def test_a_backup_code_needs_no_slow_hash() -> None:
    """112 bits at least (OWASP ASVS 5.0, 6.5.2), and typed in groups."""
    assert len(BACKUP_CODE_LETTERS) ** BACKUP_CODE_LENGTH >= 2**112
    shown = spoken_backup_code("a" * BACKUP_CODE_LENGTH)
    assert [len(group) for group in shown.split("-")] == [6, 6, 6, 6]
    assert normalise_backup_code(shown.upper()) == "a" * BACKUP_CODE_LENGTH


@given(STEPS, st.text(max_size=10))
def test_what_is_no_code_is_wrong_and_no_error(step: int, text: str) -> None:
    known = {TOTP(SECRET).generate_otp(step + apart) for apart in (-1, 0, 1)}
    assert (matching_step(SECRET, text, moment(step), None, 1) is not None) == (text in known)
