"""A connection is made to an address that was looked at, and to no other."""

from typing import Any

import httpcore
import httpx
import pytest

from orion_core import outbound
from orion_core.outbound import ForbiddenAddressError, GuardedNetwork, GuardedTransport

PUBLIC, ALSO_PUBLIC = "93.184.216.34", "2606:2800:220:1::1"


class Wire(httpcore.AsyncNetworkBackend):
    """Remembers where it was told to connect to, and connects nowhere."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.timeouts: list[float | None] = []

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore.AsyncNetworkStream:
        self.asked.append(host)
        self.timeouts.append(timeout)
        raise httpcore.ConnectError("nothing there")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What a name leads to, from one look to the next."""
    answers: list[list[str]] = []

    async def look(_: str, __: int) -> list[str]:
        return answers.pop(0)

    monkeypatch.setattr(outbound, "look_up", look)
    return answers


async def test_each_address_that_was_looked_at_is_tried_by_its_number(names: list[list[str]]) -> None:
    wire, network = Wire(), GuardedNetwork(local=False)
    network._network = wire  # pyright: ignore[reportPrivateUsage]
    names += [[PUBLIC, ALSO_PUBLIC], ["127.0.0.1"]]
    with pytest.raises(httpcore.ConnectError):
        await network.connect_tcp("siem.example.com", 443)
    assert wire.asked == [PUBLIC, ALSO_PUBLIC]
    assert names == [["127.0.0.1"]], "the name is asked once for each connection"
    with pytest.raises(ForbiddenAddressError):
        await network.connect_tcp("siem.example.com", 443)
    assert wire.asked == [PUBLIC, ALSO_PUBLIC]


@pytest.mark.parametrize("inside", ["127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "169.254.169.254", "fd00::1"])
async def test_one_address_inside_is_enough_to_reach_none(names: list[list[str]], inside: str) -> None:
    wire, network = Wire(), GuardedNetwork(local=False)
    network._network = wire  # pyright: ignore[reportPrivateUsage]
    names.append([PUBLIC, inside])
    with pytest.raises(ForbiddenAddressError):
        await network.connect_tcp("siem.example.com", 443)
    assert wire.asked == []


@pytest.mark.parametrize("timeout", [5.0, None])
async def test_an_address_where_nobody_answers_leaves_time_for_the_others(
    names: list[list[str]], timeout: float | None
) -> None:
    wire, network = Wire(), GuardedNetwork(local=False)
    network._network = wire  # pyright: ignore[reportPrivateUsage]
    names.append([PUBLIC, ALSO_PUBLIC])
    with pytest.raises(httpcore.ConnectError):
        await network.connect_tcp("siem.example.com", 443, timeout)
    assert wire.timeouts == [timeout and timeout / 2] * 2


@pytest.mark.parametrize(("found", "is_asked"), [(["10.0.0.1", "fd00::1"], True), (["10.0.0.1", PUBLIC], False)])
async def test_what_is_not_encrypted_goes_to_near_addresses_alone(
    names: list[list[str]], found: list[str], *, is_asked: bool
) -> None:
    wire, network = Wire(), GuardedNetwork(local=True, in_clear=True)
    network._network = wire  # pyright: ignore[reportPrivateUsage]
    names.append(found)
    with pytest.raises(httpcore.ConnectError if is_asked else ForbiddenAddressError):
        await network.connect_tcp("siem.example.com", 80)
    assert wire.asked == (found if is_asked else [])


async def test_a_client_asks_nobody_on_the_internet_in_clear(
    names: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httpcore, "AnyIOBackend", Wire)
    names.append([PUBLIC])
    async with httpx.AsyncClient(transport=GuardedTransport(local=True), trust_env=False) as client:
        with pytest.raises(ForbiddenAddressError, match="unencrypted"):
            await client.get("http://siem.example.com/")


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
async def test_what_can_be_no_name_has_no_address(host: str) -> None:
    with pytest.raises(OSError, match="cannot be the name of a host"):
        await outbound.look_up(host, 443)
    async with httpx.AsyncClient(transport=GuardedTransport(local=False), trust_env=False) as client:
        with pytest.raises(httpx.TransportError):
            await client.get(f"https://{host}/")


async def test_a_client_asks_nobody_inside_and_says_when_nobody_answers() -> None:
    async with httpx.AsyncClient(transport=GuardedTransport(local=False), trust_env=False) as client:
        with pytest.raises(ForbiddenAddressError):
            await client.get("https://localhost/")
    async with httpx.AsyncClient(transport=GuardedTransport(local=True), trust_env=False) as client:
        with pytest.raises(httpx.TransportError):
            await client.get("http://127.0.0.1:9/")
