"""A flood of sign-ins is refused in time, and the rest of auth goes on. How fast it stays: bench/flood.py."""

import asyncio
import time
import tracemalloc
from collections import Counter
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from dns.resolver import Resolver

from orion_auth import hashing
from orion_auth.address_policy import AddressPolicy
from orion_auth.app import EXPENSIVE
from orion_auth.passwords.breached import RangeService
from orion_core.http.context import EXCHANGE, Exchange, RequestContext
from orion_core.http.door import AT_ONCE, Door

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

pytestmark = pytest.mark.slow

STRANGERS, WAVES = 200, 2
HASH_SECONDS = 0.06
"""What a hash takes at least, so that more come than can be hashed on a fast machine too."""


async def sign_in(auth: "Auth", address: str, body: dict[str, Any]) -> httpx.Response:
    transport = httpx.ASGITransport(auth.application, client=(address, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://auth.test") as http:
        return await http.post("/auth/v1/sessions", json=body)


async def owner(auth: "Auth") -> httpx.Response:
    """Signs in from the device that he always uses."""
    body = {"email": "ada@example.com", "password": auth.password, "device_id": "adas-laptop"}
    return await sign_in(auth, "203.0.113.1", body)


async def owner_comes_and_stays(auth: "Auth") -> list[int]:
    """What he is answered when he signs in and refreshes, again and again."""
    statuses: list[int] = []
    for _ in range(4):
        signed_in = await owner(auth)
        refreshed = await auth.refresh(signed_in.json()["refresh_token"])
        statuses += [signed_in.status_code, refreshed.status_code]
    return statuses


async def wave(auth: "Auth", number: int) -> Counter[int]:
    """Everybody at once, each from a network of his own, at accounts that there are and at others."""
    attempts = (
        sign_in(
            auth,
            f"198.{number}.100.{n}",
            {"email": f"{'ada' if n % 2 else n}@example.com", "password": "wrong password"}
            | ({"device_id": "adas-laptop-or-so"} if n % 3 == 0 else {}),
        )
        for n in range(STRANGERS)
    )
    return Counter([answer.status_code for answer in await asyncio.gather(*attempts)])


@pytest.fixture(autouse=True)
def slow_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    matches = hashing.matches

    def matches_slowly(checked: str, password: str) -> bool:
        time.sleep(HASH_SECONDS)
        return matches(checked, password)

    monkeypatch.setattr(hashing, "matches", matches_slowly)


async def test_what_stands_behind_the_door_is_there_and_may_answer_that_it_is_crowded(auth: "Auth") -> None:
    paths = auth.application.openapi()["paths"]
    for method, path in EXPENSIVE:
        assert "503" in paths[path][method.lower()]["responses"]


async def test_who_waits_for_others_than_the_database_stands_outside_the_door() -> None:
    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text="")

    service = RangeService("http://ranges.test", httpx.MockTransport(answer))
    policy = AddressPolicy(resolver=Resolver(configure=False))
    for waiting in (service.contains("password"), policy.check("ada@example.com")):
        door = Door()
        places = [await door.enter() for _ in range(AT_ONCE)]
        EXCHANGE.set(Exchange(RequestContext("1", ip_address("192.0.2.1"), None, "POST"), place=places[0]))
        await waiting
        await asyncio.wait_for(door.enter(), 1)
    await service.close()


async def test_the_owner_and_his_sessions_notice_nothing_of_a_flood(impatient_auth: "Auth") -> None:
    auth = impatient_auth
    await auth.verified()
    assert (await owner(auth)).status_code == 201
    await wave(auth, 0)  # what is made once is made now
    tracemalloc.start()
    got, held = Counter[int](), list[int]()
    for number in range(1, WAVES + 1):
        flood, owners = await asyncio.gather(wave(auth, number), owner_comes_and_stays(auth))
        assert owners == [201, 200] * 4
        got += flood
        held.append(tracemalloc.get_traced_memory()[0])
        auth.clock.advance(minutes=1)
    tracemalloc.stop()
    assert set(got) <= {401, 429, 503}
    assert got[503] > 0, "more came than could be hashed"
    assert held[-1] - held[0] < 4 * 2**20, "nothing is kept of who was refused"
    [recorded] = await auth.rows("SELECT count(*) FROM login_attempts WHERE status <> 'SUCCESS'")
    assert recorded["count"] <= STRANGERS * (WAVES + 1) - got[503], "of whom nobody looked at, nothing is written"
    auth.application.state.components.lane.require_room()
