"""Which addresses are connected to, and how long their answers are waited for."""

import asyncio
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_auth.providers.discovery import Directory
from orion_auth.providers.http import ProviderHttp
from orion_auth.providers.rules import ProviderError, url_fault
from orion_core import outbound
from orion_core.networks import may_be_reached
from orion_core.testing import MovableClock

if TYPE_CHECKING:
    from packages.auth.tests.social.conftest import Provider

INSIDE = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1"]
METADATA = [
    *("169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200", "192.0.0.192"),
    *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fe80::a9fe:a9fe"),
    *("fd00:c1::a9fe:a9fe", "fd00:100::100:200", "fd00:42::42", "fd00:a9fe:a9fe::1"),
]
"""Of AWS (EC2, ECS, EKS), Azure, Alibaba, Oracle and Google."""


class TestAddresses:
    @pytest.mark.parametrize("text", [*INSIDE, "168.63.129.16", "100.100.100.200", "240.0.0.1", "255.255.255.255"])
    def test_inside_is_not_reached_however_it_is_written(self, text: str) -> None:
        address = IPv4Address(text)
        disguises = (
            IPv6Address(f"::ffff:{text}"),
            IPv6Address(int(IPv6Address("64:ff9b::")) + int(address)),
            IPv6Address((0x2002 << 112) + (int(address) << 80)),
        )
        assert not any(may_be_reached(form, local=False) for form in (address, *disguises))

    @given(st.ip_addresses())
    def test_only_what_is_public_is_reached(self, address: IPv4Address | IPv6Address) -> None:
        if may_be_reached(address, local=False):
            assert address.is_global and not address.is_loopback and not address.is_link_local

    @given(st.ip_addresses(v=4, network="169.254.0.0/16") | st.ip_addresses(v=6, network="fe80::/10"))
    def test_what_gives_credentials_of_a_cloud_away_is_not_reached_in_development_either(
        self, address: IPv4Address | IPv6Address
    ) -> None:
        assert not may_be_reached(address, local=True)

    @pytest.mark.parametrize("text", METADATA)
    def test_nor_is_it_on_an_address_that_looks_like_another(self, text: str) -> None:
        address = ip_address(text)
        if isinstance(address, IPv4Address):
            address = IPv6Address(f"::ffff:{text}")
        assert not any(
            may_be_reached(form, local=local) for form in (ip_address(text), address) for local in (True, False)
        )

    @pytest.mark.parametrize("text", ["fd00:ec1::254", "fd00:ec3::23", "fd20:ce:0:1::254", "10.0.0.192"])
    def test_what_is_private_beside_it_is_reached_in_development(self, text: str) -> None:
        assert may_be_reached(ip_address(text), local=True)
        assert not may_be_reached(ip_address(text), local=False)

    @given(st.text(max_size=80) | st.builds("https://{}".format, st.text(max_size=60)))
    def test_any_text_is_judged_without_an_error(self, text: str) -> None:
        fault = url_fault(text, local=False)
        assert fault is not None or text.startswith("https://")


class TestConnections:
    async def test_a_name_that_leads_inside_is_not_followed(self) -> None:
        http = ProviderHttp(local=False, seconds=2)
        with pytest.raises(ProviderError, match="FORBIDDEN_ADDRESS"):
            await http.get("https://localhost/")
        await http.close()

    async def test_an_answer_that_takes_too_long_is_given_up(self, provider: "Provider") -> None:
        provider.delay["/jwks"] = 1
        http = ProviderHttp(local=True, seconds=0.2)
        with pytest.raises(ProviderError, match="TOO_SLOW"):
            await http.get(f"{provider.url}/jwks")
        await http.close()

    async def test_one_that_takes_its_time_leaves_room_for_the_others(self, provider: "Provider") -> None:
        provider.delay["/jwks"] = 2
        http = ProviderHttp(local=True, seconds=1)
        slow = [asyncio.create_task(http.get(f"{provider.url}/jwks")) for _ in range(60)]
        await asyncio.sleep(0.1)
        other = provider.url.replace("127.0.0.1", "localhost")
        async with asyncio.timeout(0.7):
            assert (await http.get(f"{other}/.well-known/openid-configuration")).status == 200
        refused = await asyncio.gather(*slow, return_exceptions=True)
        assert all(isinstance(each, ProviderError) and each.reason == "TOO_SLOW" for each in refused)
        await http.close()

    async def test_a_silent_host_is_given_up_before_the_time_for_an_answer_is_over(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waited: list[float | None] = []

        class Silence(httpcore.AsyncNetworkBackend):
            async def connect_tcp(
                self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
            ) -> httpcore.AsyncNetworkStream:
                waited.append(timeout)
                raise httpcore.ConnectTimeout

        async def two(_: str, __: int) -> list[str]:
            return ["127.0.0.1", "::1"]

        monkeypatch.setattr(httpcore, "AnyIOBackend", Silence)
        monkeypatch.setattr(outbound, "look_up", two)
        for seconds, each in ((8.0, 1.5), (0.2, 0.1)):
            http = ProviderHttp(local=True, seconds=seconds)
            with pytest.raises(ProviderError, match="UNREACHABLE"):
                await http.get("http://localhost/jwks")
            assert waited == [each, each], "the second address is asked too, and both together do not take it all"
            waited.clear()
            await http.close()

    async def test_a_provider_that_is_away_is_said_so(self) -> None:
        http = ProviderHttp(local=True, seconds=2)
        with pytest.raises(ProviderError, match="UNREACHABLE"):
            await http.get("http://127.0.0.1:9/")
        await http.close()


class TestWhatIsRemembered:
    async def test_however_many_ask_at_once_one_asks_the_provider(
        self, provider: "Provider", clock: MovableClock
    ) -> None:
        http = ProviderHttp(local=True, seconds=2)
        directory = Directory(http, clock)
        provider.delay["/jwks"] = 0.05
        await asyncio.gather(*(directory.keys(f"{provider.url}/jwks") for _ in range(20)))
        assert provider.asked == ["/jwks"]
        await asyncio.gather(*(directory.keys(f"{provider.url}/jwks", anew=True) for _ in range(20)))
        assert provider.asked == ["/jwks"], "asked just now"
        clock.advance(minutes=1)
        await asyncio.gather(*(directory.keys(f"{provider.url}/jwks", anew=True) for _ in range(20)))
        assert provider.asked == ["/jwks", "/jwks"]
        await http.close()

    async def test_keys_last_while_the_provider_is_away_but_not_for_ever(
        self, provider: "Provider", clock: MovableClock
    ) -> None:
        http = ProviderHttp(local=True, seconds=0.2)
        directory = Directory(http, clock)
        known = await directory.keys(f"{provider.url}/jwks")
        provider.delay["/jwks"] = 1
        clock.advance(hours=2)
        assert await directory.keys(f"{provider.url}/jwks") == known
        clock.advance(hours=23)
        with pytest.raises(ProviderError):
            await directory.keys(f"{provider.url}/jwks")
        await http.close()
