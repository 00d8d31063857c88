"""One form for every spelling of an address, and none for what is no address."""

import email_validator
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_auth import addresses
from orion_auth.addresses import normalise_email


@given(st.emails())
def test_normalising_again_changes_nothing(email: str) -> None:
    once = normalise_email(email)
    assert once is None or normalise_email(once) == once
    assert once is None or (once == once.lower() and once.isascii() and len(once) <= 255)


@given(st.text(max_size=400))
def test_any_text_has_an_answer(text: str) -> None:
    found = normalise_email(text)
    assert found is None or "@" in found


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("  Ada@Example.COM ", "ada@example.com"),
        ("admin@orion.local", "admin@orion.local"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
    ],
)
def test_spellings(written: str, kept: str) -> None:
    assert normalise_email(written) == kept


@pytest.mark.parametrize(
    "text", ["", "@", "ada", "ada@", "ada@x", "аda@example.com", "a b@example.com", "a@b.c\0", "a" * 300]
)
def test_no_address(text: str) -> None:
    """The third from the right begins with a Cyrillic letter: somebody else's look-alike."""
    assert normalise_email(text) is None


WORDS = st.text("abz059", min_size=1, max_size=70)
DOTTED = st.builds(str.join, st.sampled_from(".-_+"), st.lists(WORDS, min_size=1, max_size=4))
DOMAINS = st.builds(".".join, st.lists(DOTTED | WORDS, min_size=1, max_size=4))
ENDINGS = st.text("abz", min_size=1, max_size=64)
PLAIN = st.builds("{}@{}.{}".format, DOTTED, DOMAINS, ENDINGS).filter(addresses._PLAIN.match)


@given(PLAIN)
def test_what_is_taken_for_plain_is_what_the_library_makes_of_it(text: str) -> None:
    validated = email_validator.validate_email(text, check_deliverability=False, allow_smtputf8=False)
    assert (validated.ascii_email or "").lower() == text
