"""Limits that are exact under concurrency, and follow their policies at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_auth.rate_limits import actions
from orion_auth.rate_limits.rules import from_somewhere, network, seconds_until
from orion_core.errors import Problem
from orion_core.http.rate_limit import RateLimitState

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

HERE = IPv4Address("192.0.2.1")


async def tried(auth: "Auth", email: str = "ada@example.com", address: str = "192.0.2.1") -> RateLimitState | Problem:
    try:
        state = await actions.take_login(
            auth.application.state.components.database, email, ip_address(address), auth.clock()
        )
    except Problem as problem:
        return problem
    assert state is not None
    return state


def passed(results: list[RateLimitState | Problem]) -> int:
    return sum(isinstance(result, RateLimitState) for result in results)


async def test_of_two_hundred_at_once_five_pass(auth: "Auth") -> None:
    results = await asyncio.gather(*(tried(auth) for _ in range(200)))
    assert passed(results) == 5
    assert await auth.rows("SELECT count FROM rate_limits") == [{"count": 6}], "it does not count on for ever"


async def test_a_window_ends(auth: "Auth") -> None:
    assert passed([await tried(auth) for _ in range(7)]) == 5
    auth.clock.advance(seconds=59)
    assert passed([await tried(auth)]) == 0
    auth.clock.advance(seconds=1)
    assert passed([await tried(auth) for _ in range(7)]) == 5


async def test_others_are_counted_apart(auth: "Auth") -> None:
    assert passed([await tried(auth) for _ in range(6)]) == 5
    assert passed([await tried(auth, email="bob@example.com")]) == 1
    assert passed([await tried(auth, address="198.51.100.7")]) == 1, "an attacker elsewhere does not lock out the owner"


async def test_an_edited_policy_holds_from_the_next_try(auth: "Auth") -> None:
    assert passed([await tried(auth) for _ in range(3)]) == 3
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 2 WHERE endpoint = 'login'")
    assert passed([await tried(auth)]) == 0
    await auth.execute("DELETE FROM rate_limit_policies")
    assert (
        await actions.take_login(auth.application.state.components.database, "ada@example.com", HERE, auth.clock())
        is None
    )


async def test_a_block_outlasts_the_window(auth: "Auth") -> None:
    await auth.execute("UPDATE rate_limit_policies SET block_seconds = 600 WHERE endpoint = 'login'")
    results = [await tried(auth) for _ in range(6)]
    assert isinstance(results[-1], Problem)
    assert results[-1].headers["Retry-After"] == "600"
    auth.clock.advance(seconds=599)
    assert passed([await tried(auth)]) == 0
    auth.clock.advance(seconds=1)
    assert passed([await tried(auth) for _ in range(6)]) == 5


@given(st.ip_addresses(v=6))
def test_an_ipv6_site_counts_as_one(address: IPv6Address) -> None:
    neighbour = IPv6Address(int(address) ^ 0xFFFF)
    assert network(address) == network(neighbour)
    assert network(address) != network(IPv6Address(int(address) ^ (1 << 64)))


@given(st.ip_addresses(), st.ip_addresses())
def test_places_are_told_apart(one: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address) -> None:
    assert (from_somewhere("a", one) == from_somewhere("a", other)) == (network(one) == network(other))


@pytest.mark.parametrize(("apart", "seconds"), [(0.0, 1), (0.2, 1), (1.0, 1), (1.1, 2), (-5.0, 1)])
def test_seconds_are_rounded_up(apart: float, seconds: int) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert seconds_until(now + timedelta(seconds=apart), now) == seconds
