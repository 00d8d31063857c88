"""Whose account somebody gets, and where he is sent."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from orion_auth.social.rules import (
    LONGEST_PAUSE,
    Arrival,
    decide,
    is_of_domain,
    may_return_to,
    pause_after,
    with_parameters,
)

ADA, EVE = UUID(int=1), UUID(int=2)
people = st.none() | st.sampled_from([ADA, EVE])
arrivals = st.builds(
    Arrival,
    linked_to=people,
    signed_in=people,
    email=st.none() | st.just("ada@example.com"),
    email_is_proved=st.booleans(),
    email_is_authoritative=st.booleans(),
    holder=people,
    holder_is_verified=st.booleans(),
)
ALLOWED = ["https://app.example.com/signed-in", "https://example.com", "http://localhost:3000/"]


class TestLinking:
    @given(arrivals)
    def test_an_account_that_is_linked_leads_to_its_user_and_nobody_else(self, arrival: Arrival) -> None:
        if arrival.linked_to is not None and arrival.signed_in is None:
            assert decide(arrival) == "SIGN_IN"
        if arrival.linked_to is not None and arrival.signed_in not in (None, arrival.linked_to):
            assert decide(arrival) == "LINKED_ELSEWHERE"

    @given(arrivals)
    def test_an_address_that_is_not_proved_changes_nothing(self, arrival: Arrival) -> None:
        if arrival.linked_to is None and arrival.signed_in is None and not arrival.email_is_proved:
            assert decide(arrival) in ("PROVE_EMAIL", "NAME_EMAIL")

    @given(arrivals)
    def test_a_verified_account_is_joined_only_by_its_owner_or_by_an_administrator_s_word(
        self, arrival: Arrival
    ) -> None:
        strange = arrival.linked_to is None and arrival.signed_in is None
        if strange and arrival.holder is not None and arrival.holder_is_verified:
            decision = decide(arrival)
            assert decision not in ("CREATE", "CLAIM", "LINK", "SIGN_IN")
            assert decision != "AUTO_LINK" or (arrival.email_is_authoritative and arrival.email_is_proved)

    @given(arrivals)
    def test_who_is_signed_in_links_to_himself_whatever_the_address_says(self, arrival: Arrival) -> None:
        if arrival.signed_in is not None and arrival.linked_to is None:
            assert decide(arrival) == "LINK"

    def test_a_domain_is_that_one_and_none_below_or_beside(self) -> None:
        assert is_of_domain("ada@example.com", ["example.com"])
        for email in (
            "ada@sub.example.com",
            "ada@notexample.com",
            "example.com@evil.test",
            "ada@example.com.evil.test",
        ):
            assert not is_of_domain(email, ["example.com"])


class TestReturning:
    def test_to_what_is_listed_and_below(self) -> None:
        for url in (
            "https://app.example.com/signed-in",
            "https://app.example.com/signed-in/now?next=%2Fdocuments",
            "https://example.com",
            "https://example.com/anything",
            "http://localhost:3000/x",
        ):
            assert may_return_to(url, ALLOWED), url

    def test_to_nowhere_else(self) -> None:
        for url in (
            "https://app.example.com/",
            "https://app.example.com/signed-in-elsewhere",
            "https://app.example.com/signed-in/../admin",
            "https://app.example.com/signed-in/%2e%2E/admin",
            "https://app.example.com:444/signed-in",
            "http://app.example.com/signed-in",
            "https://example.com.evil.test",
            "https://example.com@evil.test",
            "https://evil.test\\@example.com",
            "https://example.com#x",
            "//example.com",
            "javascript:alert(1)",
            "https:example.com",
            " https://example.com",
            "https://example.com/\n",
        ):
            assert not may_return_to(url, ALLOWED), url
        assert not may_return_to("https://example.com", [])

    @given(st.text(max_size=60) | st.builds("https://{}".format, st.text(max_size=40)))
    def test_any_text_is_judged_without_an_error(self, url: str) -> None:
        if may_return_to(url, ALLOWED):
            assert url.startswith(("https://app.example.com/", "https://example.com", "http://localhost:3000"))

    def test_what_comes_along_replaces_what_was_there(self) -> None:
        url = with_parameters("https://example.com/a?x=1&code=old&code=older", {"code": "new one"})
        assert url == "https://example.com/a?x=1&code=new+one"


@given(st.integers(0, 32_767))
def test_pauses_grow_and_end(failures: int) -> None:
    assert pause_after(failures) <= pause_after(failures + 1) <= LONGEST_PAUSE
