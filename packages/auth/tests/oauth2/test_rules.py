"""Reading token requests."""

from base64 import b64encode
from contextlib import suppress
from hashlib import sha256
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_auth.oauth2.rules import Client, TokenRequestError, check_service, granted_scope, read_client, read_form

FORM = "application/x-www-form-urlencoded"
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.dictionaries(WORDS, WORDS, max_size=10))
def test_a_form_is_read_as_it_was_written(form: dict[str, str]) -> None:
    assert read_form(f"{FORM}; charset=UTF-8", urlencode(form).encode()) == form


@given(st.binary(max_size=200))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    with suppress(TokenRequestError):
        assert all(read_form(FORM, body).values())


@pytest.mark.parametrize("body", ["a=1&a=2", "a=%00", "a=%ff", "&".join(f"p{n}=1" for n in range(30))])
def test_bad_forms(body: str) -> None:
    with pytest.raises(TokenRequestError, match="invalid_request"):
        read_form(FORM, body.encode())


def test_json_is_refused() -> None:
    with pytest.raises(TokenRequestError, match="x-www-form-urlencoded"):
        read_form("application/json", b"{}")


def basic(text: str) -> str:
    return f"Basic {b64encode(text.encode()).decode()}"


def test_credentials_come_in_either_way_but_not_both() -> None:
    assert read_client(basic("user:a%3Ab+c"), {}) == Client("user", "a:b c")
    assert read_client("", {"client_id": "user", "client_secret": "k"}) == Client("user", "k")
    with pytest.raises(TokenRequestError, match="one way"):
        read_client(basic("user:k"), {"client_id": "user", "client_secret": "k"})


@pytest.mark.parametrize("header", ["", "Basic", "Basic ???", "Bearer abc", basic("nocolon")])
def test_missing_or_broken_credentials(header: str) -> None:
    with pytest.raises(TokenRequestError, match="invalid_client"):
        read_client(header, {})


def test_only_the_right_key_of_a_known_service() -> None:
    hashes = {"user": sha256(b"right").hexdigest()}
    check_service(Client("user", "right"), hashes)
    for wrong in (Client("user", "wrong"), Client("user", ""), Client("nobody", "right"), Client("nobody", "")):
        with pytest.raises(TokenRequestError, match="invalid_client"):
            check_service(wrong, hashes)


def test_scopes() -> None:
    service, operator = "user", "operator"
    assert granted_scope(service, None) == granted_scope(service, "events:read") == "events:read"
    assert granted_scope(service, "personal_data:read") == "personal_data:read"
    assert granted_scope("notifications", "audiences:read") == "audiences:read"
    assert granted_scope(operator, None) == "auth:admin"
    with pytest.raises(TokenRequestError, match="invalid_scope"):
        granted_scope("notifications", "personal_data:read")
    with pytest.raises(TokenRequestError, match="invalid_scope"):
        granted_scope(service, "audiences:read")
    with pytest.raises(TokenRequestError, match="invalid_scope"):
        granted_scope(service, "events:read auth:admin")
    with pytest.raises(TokenRequestError, match="invalid_scope"):
        granted_scope(operator, "events:read")
