"""Every request has a name, a trace and a client that cannot be forged; every answer has the headers that guard it."""

import re
from collections.abc import AsyncGenerator, Callable
from ipaddress import ip_network
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import StreamingResponse

from orion_core.http.context import client_address, request_id
from orion_core.tracing import TRACEPARENT, continue_trace, current_traceparent

if TYPE_CHECKING:
    from packages.core.tests.http.conftest import Send

MakeApplication = Callable[..., FastAPI]

TRACE = "0af7651916cd43dd8448eb211c80319c"
UUID_FORM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.mark.parametrize("path", ["/sample/v1/context", "/nowhere", "/sample/v1/bug/x", "/livez"])
async def test_every_answer_is_guarded(path: str, http: httpx.AsyncClient) -> None:
    headers = (await http.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cache-control"] == "no-store"
    assert headers["strict-transport-security"].startswith("max-age=")
    assert UUID_FORM.fullmatch(headers["x-request-id"]) and TRACEPARENT.match(headers["traceparent"])


async def test_a_route_may_say_for_itself_how_long_its_answer_keeps(http: httpx.AsyncClient) -> None:
    assert (await http.get("/sample/v1/page")).headers["cache-control"] == "max-age=60"


async def test_a_harmless_request_id_is_kept(http: httpx.AsyncClient) -> None:
    answer = await http.get("/sample/v1/context", headers={"X-Request-Id": "order-66"})
    assert answer.headers["x-request-id"] == answer.json()["id"] == "order-66"


@given(st.text(max_size=80))
def test_any_other_request_id_is_replaced(incoming: str) -> None:
    kept = request_id(incoming)
    assert UUID_FORM.fullmatch(kept) or (kept == incoming and re.fullmatch(r"[A-Za-z0-9-]{1,64}", incoming))


async def test_the_trace_of_the_caller_goes_on(http: httpx.AsyncClient) -> None:
    sent = f"00-{TRACE}-b7ad6b7169203331-01"
    own = (await http.get("/livez", headers={"traceparent": sent})).headers["traceparent"]
    assert own.split("-")[1] == TRACE and own.split("-")[2] != sent.split("-")[2] and own.endswith("-01")


@pytest.mark.parametrize(
    "incoming",
    [
        None,
        "",
        "garbage",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{TRACE.upper()}-b7ad6b7169203331-01",
        f"00-{TRACE}-b7ad6b7169203331-01\n",
        f"00-{TRACE}-b7ad6b7169203331-01-x",
    ],
)
def test_a_trace_that_is_none_begins_anew(incoming: str | None) -> None:
    own = continue_trace(incoming)
    assert re.fullmatch(TRACEPARENT.pattern, own) and TRACE not in own and "\n" not in own
    assert current_traceparent() == own


NETWORKS = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["10.9.9.9, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["garbage"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, garbage, 10.0.0.3"], "10.0.0.3"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.7"], "198.51.100.7"),
        ("fd00::1", ["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.1", ["198.51.100.7:50312"], "198.51.100.7"),
        ("10.0.0.1", ["[2001:db8::1]:443, 10.0.0.2:80"], "2001:db8::1"),
        ("10.0.0.1", ["198.51.100.7:", "[2001:db8::1"], "10.0.0.1"),
        ("10.0.0.1", ["fe80::1%eth0"], "fe80::1"),
        ("", ["198.51.100.7"], "0.0.0.0"),
        ("/run/socket", [], "0.0.0.0"),
    ],
)
def test_the_client_is_the_last_hop_that_is_no_proxy_of_ours(peer: str, forwarded: list[str], client: str) -> None:
    assert str(client_address(peer, forwarded, NETWORKS)) == client


@given(st.lists(st.text(max_size=60), max_size=3))
def test_whatever_a_client_puts_in_front_its_address_stays(forged: list[str]) -> None:
    written_by_the_proxy = "198.51.100.7"
    assert str(client_address("10.0.0.1", [*forged, written_by_the_proxy], NETWORKS)) == written_by_the_proxy
    assert str(client_address("192.0.2.1", forged, NETWORKS)) == "192.0.2.1"


async def test_nobody_is_a_trusted_proxy_unless_it_is_said(send: "Send") -> None:
    answer = await send("/sample/v1/context", headers={"X-Forwarded-For": "198.51.100.7"})
    assert b'"ip":"192.0.2.1"' in answer.body


async def test_a_trusted_proxy_is_believed(make_application: MakeApplication) -> None:
    application = make_application(trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://sample") as http:
        answer = await http.get("/sample/v1/context", headers={"X-Forwarded-For": "198.51.100.7"})
    assert answer.json()["ip"] == "198.51.100.7"


async def test_a_user_agent_is_bounded_and_storable(send: "Send") -> None:
    answer = await send("/sample/v1/context", headers={"User-Agent": "a\0" + "b" * 5000})
    assert len(answer.body) < 800 and b"\\u0000" not in answer.body


async def test_metrics_count_by_pattern_and_known_method(send: "Send", http: httpx.AsyncClient) -> None:
    """Who calls chooses path and method, and must not choose how many series there are."""
    for number in range(20):
        await send(f"/sample/v1/things/{number}", f"METHOD{number}")
        await send(f"/nowhere/{number}")
    exposition = (await http.get("/metrics")).text
    assert 'method="OTHER",route="/sample/v1/things/{thing_id}",status="405"' in exposition
    assert 'method="GET",route="unmatched",status="404"' in exposition
    assert "METHOD" not in exposition and "/nowhere" not in exposition


async def test_an_answer_that_has_begun_is_cut_off_rather_than_finished_wrongly(
    make_application: MakeApplication,
) -> None:
    router = APIRouter()

    @router.get("/half")
    async def half() -> StreamingResponse:
        async def parts() -> AsyncGenerator[bytes]:
            yield b"half an "
            raise RuntimeError

        return StreamingResponse(parts())

    application = make_application(None, router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://sample") as http:
        with pytest.raises(RuntimeError):
            await http.get("/half")
