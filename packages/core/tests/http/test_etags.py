"""Nobody overwrites what they have not seen, and nobody is sent what they already have."""

import pytest
from pydantic import BaseModel
from starlette.requests import Request

from orion_core.errors import Problem
from orion_core.http.etags import etag, is_unchanged, require_match


class Shown(BaseModel):
    name: str
    roles: list[str]


CURRENT = etag(Shown(name="Ada", roles=["user"]))


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


def test_each_answer_has_an_etag_of_its_own() -> None:
    others = {etag(Shown(name="Ada", roles=["admin"])), etag(Shown(name="Bob", roles=["user"])), CURRENT}
    assert len(others) == 3 and etag(Shown(name="Ada", roles=["user"])) == CURRENT
    assert CURRENT[0] == CURRENT[-1] == '"'


def test_a_change_needs_to_say_what_it_changes() -> None:
    with pytest.raises(Problem) as problem:
        require_match(request(), CURRENT)
    assert (problem.value.status, problem.value.code) == (428, "precondition_required")


@pytest.mark.parametrize("header", [CURRENT, f'"other", {CURRENT}', "*", f" {CURRENT} "])
def test_who_has_seen_the_present_state_may_change_it(header: str) -> None:
    require_match(request(if_match=header), CURRENT)


@pytest.mark.parametrize("header", ['"other"', f"W/{CURRENT}", CURRENT.strip('"'), "", CURRENT[:-2] + '"'])
def test_who_has_not_may_not(header: str) -> None:
    """A weak tag is no proof either (RFC 9110 §13.1.1 asks for strong comparison)."""
    with pytest.raises(Problem) as problem:
        require_match(request(if_match=header), CURRENT)
    assert problem.value.status == 412 and problem.value.headers["ETag"] == CURRENT


@pytest.mark.parametrize(
    ("header", "unchanged"),
    [
        (CURRENT, True),
        (f"W/{CURRENT}", True),
        (f'"other", {CURRENT}', True),
        ("*", True),
        ('"other"', False),
        ("", False),
    ],
)
def test_who_has_the_present_state_need_not_get_it_again(header: str, unchanged: bool) -> None:
    assert is_unchanged(request(if_none_match=header), CURRENT) == unchanged
    assert not is_unchanged(request(), CURRENT)
