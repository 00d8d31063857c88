"""The form of API keys: what scanners find, and what can be told of a key without asking anybody."""

import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_core.api_keys import ALPHABET, PATTERN, SECRET_LENGTH, ApiKeyText, checksum

KEY = ApiKeyText("live", "AbCdEf123456", "0" * SECRET_LENGTH)


def test_new_keys_are_read_back_and_found_by_scanners() -> None:
    for stage in ("live", "test", "dev"):
        made = ApiKeyText.new(stage)
        assert ApiKeyText.parse(made.text) == made
        assert re.findall(PATTERN, f'key = "{made.text}"\n') == [made.text]
        assert made.secret not in repr(made)
    assert len({ApiKeyText.new("live").secret for _ in range(100)}) == 100
    assert len(ALPHABET) ** SECRET_LENGTH >= 2**256


def test_the_checksum_is_crc32_in_base62() -> None:
    """Written out once more, since other people's scanners compute it too."""
    body = KEY.text[:-6]
    number, digits = zlib.crc32(body.encode()), ""
    while number:
        number, rest = divmod(number, 62)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[rest] + digits
    assert KEY.text.removeprefix(body) == digits.rjust(6, "0") == checksum(body)


@given(st.integers(0, len(KEY.text) - 1), st.sampled_from(ALPHABET))
def test_a_mistyped_key_is_none(place: int, letter: str) -> None:
    wrong = KEY.text[:place] + letter + KEY.text[place + 1 :]
    assert wrong == KEY.text or ApiKeyText.parse(wrong) is None


@given(st.text(max_size=90))
def test_no_text_makes_it_fail(text: str) -> None:
    assert ApiKeyText.parse(text) is None


@pytest.mark.parametrize("around", [" {}", "{} ", "{}\n", "x{}", "{}x", "{}\0"])
def test_nothing_stands_around_a_key(around: str) -> None:
    assert ApiKeyText.parse(around.format(KEY.text)) is None


def test_letters_of_other_alphabets_are_none() -> None:
    full_width = chr(0xFF10)
    assert ApiKeyText.parse(KEY.text.replace("0", full_width)) is None
