"""A cursor carries sort values to the next page of the listing it was made for. Nobody else can make or change one."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from orion_core.errors import Problem
from orion_core.paging import Cursors, link_next
from orion_core.sealing import Keyring

RING = Keyring.parse(Keyring.new_key("a"))
CURSORS = Cursors(RING)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))

SORT_VALUES = st.lists(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.uuids()
    | st.datetimes(timezones=st.just(UTC)),
    max_size=4,
)


def refusal_of(listing: str, cursor: str, cursors: Cursors = CURSORS) -> Problem:
    with pytest.raises(Problem) as refusal:
        cursors.read(listing, cursor)
    return refusal.value


@given(TEXTS, SORT_VALUES)
def test_values_come_back_as_they_were_given(listing: str, after: list[Any]) -> None:
    read = CURSORS.read(listing, CURSORS.issue(listing, after))
    assert read == after and [type(value) for value in read] == [type(value) for value in after]


def test_moments_and_ids_come_back_as_what_a_statement_takes() -> None:
    after = [datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), UUID(int=7)]
    assert CURSORS.read("users", CURSORS.issue("users", after)) == after


@given(st.text(max_size=100))
def test_a_cursor_cannot_be_made_up(garbage: str) -> None:
    problem = refusal_of("users", garbage)
    assert (problem.status, problem.code, problem.errors[0].field) == (400, "invalid_cursor", "cursor")


@given(SORT_VALUES, st.data())
def test_a_cursor_cannot_be_changed(after: list[Any], data: st.DataObject) -> None:
    cursor = CURSORS.issue("users", after)
    place = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("ABCxyz019-_=+/ !").filter(lambda character: character != cursor[place]))
    refusal_of("users", cursor[:place] + other + cursor[place + 1 :])


@pytest.mark.parametrize("change", ["{}=", "{}!", " {}", "{}\n", "{}A", "A{}"])
def test_there_is_one_way_to_write_a_cursor(change: str) -> None:
    refusal_of("users", change.format(CURSORS.issue("users", [1])))


def test_the_values_in_a_cursor_cannot_be_exchanged() -> None:
    raw = urlsafe_b64decode(CURSORS.issue("users", [10]) + "==")
    refusal_of("users", urlsafe_b64encode(raw.replace(b"[10]", b"[99]")).decode().rstrip("="))


@given(TEXTS, TEXTS, SORT_VALUES)
def test_a_cursor_is_of_no_use_for_another_listing_or_other_filters(one: str, other: str, after: list[Any]) -> None:
    if one != other:
        refusal_of(other, CURSORS.issue(one, after))


def test_a_listing_cannot_borrow_from_the_values_behind_it() -> None:
    """A filter that ends like the beginning of a cursor's values must not make two different things sign alike."""
    cursor = CURSORS.issue("a", ["b"])
    mac = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[:16]
    for listing, payload in (('a["b"]', b""), ("", b'a["b"]'), ("a\0", b'["b"]')):
        refusal_of(listing, urlsafe_b64encode(mac + payload).decode().rstrip("="))


def test_cursors_in_circulation_outlive_a_rotation_but_not_the_removal_of_their_key() -> None:
    cursor = CURSORS.issue("users", [1])
    new = Keyring.parse(Keyring.new_key("b"))
    assert Cursors(Keyring({**new.keys, **RING.keys})).read("users", cursor) == [1]
    refusal_of("users", cursor, Cursors(new))


def test_the_next_page_is_the_same_request_with_its_cursor_and_after_the_last_there_is_none() -> None:
    query = b"q=a%20b&cursor=before&tag=x%26y&limit=2"
    request = Request({"type": "http", "path": "/user/v1/users", "query_string": query, "headers": []})
    first, last = Response(), Response()
    link_next(request, first, "after-_")
    link_next(request, last, None)
    assert first.headers["Link"] == '</user/v1/users?q=a+b&tag=x%26y&limit=2&cursor=after-_>; rel="next"'
    assert "Link" not in last.headers
