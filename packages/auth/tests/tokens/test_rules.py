"""The form of opaque tokens."""

from hypothesis import given
from hypothesis import strategies as st

from orion_auth.tokens.rules import BearerToken, parse
from orion_core.secrets import new_secret, new_selector


def test_what_we_make_we_read() -> None:
    token = BearerToken(new_selector(), new_secret())
    assert parse(token.text) == token
    assert token.secret not in repr(token)


@given(st.text(max_size=300))
def test_anything_else_is_refused_without_an_error(text: str) -> None:
    parsed = parse(text)
    assert parsed is None or parsed.text == text
