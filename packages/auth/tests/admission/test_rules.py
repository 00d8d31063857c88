"""Who may come in."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from orion_auth.admission.rules import Proof, decide, next_step
from orion_auth.identities.rules import Standing
from orion_auth.risk.rules import Verdict

STANDINGS = st.none() | st.sampled_from(get_args(Standing))


@given(STANDINGS, st.booleans())
def test_in_only_with_the_password_and_in_good_standing(standing: Standing | None, right: bool) -> None:
    assert (decide(standing, right).outcome == "SUCCESS") == (standing == "GOOD" and right)


@given(STANDINGS)
def test_without_the_password_nothing_is_learnt(standing: Standing | None) -> None:
    assert decide(standing, False).outcome == "FAILED"
    assert decide(standing, False).reason in ("UNKNOWN_IDENTITY", "WRONG_PASSWORD")


VERDICTS = st.sampled_from(get_args(Verdict))


@given(VERDICTS, st.booleans(), st.booleans(), st.booleans())
def test_what_looks_like_somebody_else_never_comes_in(
    verdict: Verdict, multi: bool, second: bool, trusted: bool
) -> None:
    proof = Proof(("pwd",), is_multi_factor=multi)
    step = next_step(proof, verdict, has_second_factor=second, device_is_trusted=trusted, device_is_blocked=False)
    assert (step == "BLOCK") == (verdict == "BLOCK")
    if step == "ADMIT" and second and not multi:
        assert trusted
        assert verdict == "ALLOW"


@given(VERDICTS, st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_whoever_is_challenged_has_something_to_answer_with(
    verdict: Verdict, multi: bool, second: bool, trusted: bool, can_mail: bool
) -> None:
    step = next_step(
        Proof(("pwd",), is_multi_factor=multi),
        verdict,
        has_second_factor=second,
        device_is_trusted=trusted,
        device_is_blocked=False,
        can_mail_code=can_mail,
    )
    if step == "CHALLENGE":
        assert not multi
        assert second or (can_mail and verdict == "STEP_UP")
    if verdict == "STEP_UP" and not multi and (second or can_mail):
        assert step == "CHALLENGE", "stepping up means something"


@given(VERDICTS, st.booleans(), st.booleans())
def test_a_blocked_device_never_comes_in(verdict: Verdict, multi: bool, second: bool) -> None:
    proof = Proof(("pwd",), is_multi_factor=multi)
    step = next_step(proof, verdict, has_second_factor=second, device_is_trusted=False, device_is_blocked=True)
    assert step == "BLOCK"
