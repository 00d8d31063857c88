"""Limits that hold in every window, are exact under concurrency, and follow their policies at once."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_auth.devices.rules import KnownDevice
from orion_auth.rate_limits import actions
from orion_auth.rate_limits.actions import Taken
from orion_auth.rate_limits.rules import COUNTED, from_somewhere
from orion_auth.seeds import POLICIES
from orion_core.errors import Problem
from orion_core.http.rate_limit import seconds_until
from orion_core.networks import network

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

ADA = "ada@example.com"
HERE = IPv4Address("192.0.2.1")


async def tried(
    auth: "Auth", email: str = ADA, address: str = "192.0.2.1", device: KnownDevice | None = None
) -> Taken | Problem:
    database = auth.application.state.components.database
    taken = await actions.take_login(database, email, ip_address(address), auth.clock(), device=device)
    return taken if isinstance(taken, Taken) else taken.problem


def passed(results: list[Taken | Problem]) -> int:
    return sum(isinstance(result, Taken) for result in results)


async def only_the_narrowest(auth: "Auth") -> None:
    """Five a minute for an account from a network, and no other limit."""
    await auth.execute("DELETE FROM rate_limit_policies WHERE endpoint <> 'login' OR key_type <> 'EMAIL'")


TRY_AT_ONCE = """
import asyncio, sys
from datetime import datetime
from ipaddress import ip_address
from orion_auth.rate_limits import actions
from orion_core.database import Database
from orion_core.service import service_role

url, email, address, now, tries = sys.argv[1:]

async def main():
    database = Database.connect(url, role=service_role("auth"), application="test", pool_size=10)

    async def one():
        taken = await actions.take_login(database, email, ip_address(address), datetime.fromisoformat(now))
        return isinstance(taken, actions.Taken)

    results = await asyncio.gather(*(one() for _ in range(int(tries))))
    await database.close()
    print(sum(results))

asyncio.run(main())
"""


async def test_of_a_thousand_at_once_from_four_processes_five_pass(auth: "Auth") -> None:
    arguments = (auth.database.url, ADA, str(HERE), auth.clock().isoformat(), "250")

    async def process() -> int:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-c", TRY_AT_ONCE, *arguments, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await running.communicate()
        return int(output)

    assert sum(await asyncio.gather(*(process() for _ in range(4)))) == 5
    counters = await auth.rows("SELECT endpoint, key_type::text, count, cardinality(passes) AS passes FROM rate_limits")
    assert {(row["endpoint"], row["key_type"]): (row["count"], row["passes"]) for row in counters} == {
        ("login", "EMAIL"): (6, 5),
        ("login_hourly", "EMAIL"): (5, 5),
        ("login", "IP"): (5, 5),
        ("login_unknown_networks", "EMAIL"): (5, 5),
        ("login_refusal_record", "IP"): (11, 10),
        ("login_refusal_record", "GLOBAL"): (10, 10),
    }, "what one limit refuses counts under no other but those of refusals, and nothing counts on for ever"


async def test_a_limit_holds_in_every_window_wherever_it_begins(auth: "Auth") -> None:
    await only_the_narrowest(auth)
    assert passed([await tried(auth)]) == 1
    auth.clock.advance(seconds=58)
    assert passed([await tried(auth) for _ in range(9)]) == 4
    auth.clock.advance(seconds=2)
    assert passed([await tried(auth) for _ in range(9)]) == 1, "a fixed window would let five more pass here"
    auth.clock.advance(seconds=57)
    assert passed([await tried(auth)]) == 0
    auth.clock.advance(seconds=1)
    assert passed([await tried(auth) for _ in range(9)]) == 4


async def test_the_answer_says_when_the_next_try_passes(auth: "Auth") -> None:
    await only_the_narrowest(auth)
    first = await tried(auth)
    assert isinstance(first, Taken)
    assert first.state is not None
    assert first.state.headers() == {"RateLimit-Policy": '"login";q=5;w=60', "RateLimit": '"login";r=4;t=60'}
    auth.clock.advance(seconds=20)
    results = [await tried(auth) for _ in range(5)]
    assert passed(results) == 4
    refused = results[-1]
    assert isinstance(refused, Problem)
    assert refused.headers == {
        "RateLimit-Policy": '"login";q=5;w=60',
        "RateLimit": '"login";r=0;t=40',
        "Retry-After": "40",
    }


async def test_others_are_counted_apart(auth: "Auth") -> None:
    assert passed([await tried(auth) for _ in range(6)]) == 5
    assert passed([await tried(auth, email="bob@example.com")]) == 1
    assert passed([await tried(auth, address="198.51.100.7")]) == 1, "an attacker elsewhere does not lock out the owner"


async def test_one_network_cannot_try_one_password_on_every_account(auth: "Auth") -> None:
    assert passed([await tried(auth, f"user{n}@example.com") for n in range(40)]) == 30
    assert passed([await tried(auth, "user99@example.com", "198.51.100.7")]) == 1
    results = [await tried(auth, f"user{n}@example.com", "2001:db8::%x" % n) for n in range(40)]  # noqa: UP031
    assert passed(results) == 30, "a site of IPv6 is one network"


async def test_all_strangers_together_cannot_guess_without_end(auth: "Auth") -> None:
    for n in range(60):
        await tried(auth, address=f"198.51.100.{n}")
    refused = await tried(auth, address="203.0.113.1")
    assert isinstance(refused, Problem)
    assert refused.headers["RateLimit-Policy"] == '"login_unknown_networks";q=50;w=3600'
    devices = [KnownDevice(f"device {n}", is_proved=n == 2) for n in range(3)]
    assert passed([await tried(auth, device=devices[n % 3]) for n in range(30)]) == 30, "known devices go on"
    assert [passed([await tried(auth, device=device)]) for device in devices] == [0, 0, 0], "each within its own limit"
    elsewhere = [passed([await tried(auth, address="203.0.113.1", device=device)]) for device in devices]
    assert elsewhere == [1, 1, 0], "one that proves itself is the same wherever it is"


async def test_one_network_does_not_use_up_what_all_strangers_share(auth: "Auth") -> None:
    for _ in range(60):
        [await tried(auth) for _ in range(5)]
        auth.clock.advance(seconds=60)
    shared = await auth.rows(
        "SELECT cardinality(passes) AS n FROM rate_limits WHERE endpoint = 'login_unknown_networks'"
    )
    assert shared == [{"n": 20}]
    assert passed([await tried(auth, address="203.0.113.1")]) == 1


async def test_what_turned_out_well_is_given_back_where_only_failures_count(auth: "Auth") -> None:
    database = auth.application.state.components.database
    for _ in range(4):
        taken = await tried(auth)
        assert isinstance(taken, Taken)
        await actions.give_back(database, taken)
    await tried(auth)
    counters = await auth.rows("SELECT endpoint, key_type::text, count, cardinality(passes) AS passes FROM rate_limits")
    assert {(row["endpoint"], row["key_type"]): (row["count"], row["passes"]) for row in counters} == {
        ("login", "EMAIL"): (5, 5),
        ("login_hourly", "EMAIL"): (1, 1),
        ("login", "IP"): (1, 1),
        ("login_unknown_networks", "EMAIL"): (1, 1),
    }


async def test_an_edited_policy_holds_from_the_next_try(auth: "Auth") -> None:
    assert passed([await tried(auth) for _ in range(3)]) == 3
    await auth.execute("UPDATE rate_limit_policies SET \"limit\" = 2 WHERE endpoint = 'login' AND key_type = 'EMAIL'")
    refused = await tried(auth)
    assert isinstance(refused, Problem)
    assert refused.headers["Retry-After"] == "60"
    await auth.execute("DELETE FROM rate_limit_policies")
    free = await tried(auth)
    assert isinstance(free, Taken)
    assert free.state is None


async def test_a_block_outlasts_the_window(auth: "Auth") -> None:
    await auth.execute("UPDATE rate_limit_policies SET block_seconds = 600 WHERE endpoint = 'login'")
    results = [await tried(auth) for _ in range(6)]
    assert isinstance(results[-1], Problem)
    assert results[-1].headers["Retry-After"] == "600"
    auth.clock.advance(seconds=599)
    assert passed([await tried(auth)]) == 0
    auth.clock.advance(seconds=1)
    assert passed([await tried(auth) for _ in range(6)]) == 5


async def test_counters_go_once_nothing_counts_and_no_sooner(auth: "Auth") -> None:
    await only_the_narrowest(auth)
    for seconds in (0, 31, 31, 59):
        auth.clock.advance(seconds=seconds)
        await tried(auth)
        [row] = await auth.rows("SELECT reset_at, passes[cardinality(passes)] AS latest FROM rate_limits")
        assert timedelta(minutes=1) <= row["reset_at"] - row["latest"] <= timedelta(minutes=2)


def test_every_seeded_policy_limits_something() -> None:
    counted = {(endpoint, key_type) for endpoint, key_types in COUNTED.items() for key_type in key_types}
    assert [policy for policy in POLICIES if policy[:2] not in counted] == []


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
