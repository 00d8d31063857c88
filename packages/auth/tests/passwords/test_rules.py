"""What a new password has to be: worth guesses, whatever it is made of."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from orion_auth.password_text import LONGEST, LONGEST_TYPED, SHORTEST, NewPassword, normalise_password
from orion_auth.passwords.rules import faults, own_words

NEW = TypeAdapter(NewPassword)
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=300)


@given(TEXT)
def test_length_is_counted_in_normal_form_and_nothing_is_cut_off(typed: str) -> None:
    if SHORTEST <= len(normalise_password(typed)) <= LONGEST:
        assert NEW.validate_python(typed) == typed
    else:
        with pytest.raises(ValidationError, match="password_too_"):
            NEW.validate_python(typed)


def test_as_many_characters_as_promised_fit_however_they_are_typed() -> None:
    typed = "\u1f82" * LONGEST  # a Greek letter of four code points when it is decomposed
    decomposed = "\u03b1\u0313\u0300\u0345" * LONGEST
    assert normalise_password(decomposed) == typed
    assert len(decomposed) == LONGEST_TYPED
    assert NEW.validate_python(decomposed) == decomposed
    with pytest.raises(ValidationError, match="at most 256"):
        NEW.validate_python(typed + "x")


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "xK3#9qLm", "пароль на каждый день", "🦊🐻🐼🦁🐯🐨🐷🐸"]
)
def test_no_rule_says_what_it_is_made_of(password: str) -> None:
    assert faults(password, [], 2) == []


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("password", "password_common"),
        ("PASSWORD", "password_common"),
        ("iloveyou", "password_common"),
        ("Password1!", "password_weak"),
        ("aaaaaaaaaaaaaaaa", "password_weak"),
        ("qwertyuiop[]", "password_weak"),
        ("2019-06-12", "password_weak"),
    ],
)
def test_what_is_tried_first_is_refused_with_the_reason(password: str, code: str) -> None:
    found = faults(password, [], 2)
    assert found[0].code == code
    assert all(re.fullmatch(r"[A-Z].* .*\.", fault.detail) for fault in found), "sentences"


def test_the_most_common_are_refused_even_where_every_other_may_be_used() -> None:
    assert [fault.code for fault in faults("12345678", [], 0)] == ["password_common"]
    assert faults("aaaaaaaa1", [], 0) == []


def test_words_of_the_user_and_of_the_product_are_worth_nothing() -> None:
    words = own_words(["tiberius.kirk@enterprise.example", "jtkirk", "Tiberius Kirk", "Orion Nebula", None])
    assert {"tiberius", "enterprise", "jtkirk", "nebula", "tiberius.kirk@enterprise.example"} <= set(words)
    for password in ("enterprise", "Tiberius1", "tiberius.kirk@enterprise.example", "tiberius.kirk", "nebula12"):
        assert faults(password, words, 2), password
    assert faults("tiberius.kirk@enterprise.example", [], 2) == []


def test_a_long_password_is_as_good_as_its_better_end() -> None:
    assert faults("a" * 200 + "correct horse battery staple", [], 3) == []
    assert faults("correct horse battery staple" + "a" * 200, [], 3) == []


@pytest.mark.parametrize("signs", ["4@8({[<3369!1|0$5+7%2", "(@$!7)3", "password1", "aé", "\u0301"])
def test_hostile_text_takes_no_time_to_score(signs: str) -> None:
    """Unbounded, the first of them takes most of a second, with the interpreter's lock held."""
    started = time.perf_counter()
    faults((signs * 256)[:256], ["ada@example.com"], 4)
    assert time.perf_counter() - started < 0.3


@given(TEXT)
def test_any_text_is_scored(typed: str) -> None:
    faults(typed, own_words([typed]), 4)
