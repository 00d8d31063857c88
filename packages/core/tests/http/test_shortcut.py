"""A shortcut is answered at the edge as its route would be, also where it fails; what is unusual goes to the route."""

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from orion_core.errors import Problem
from orion_core.http import problems
from orion_core.http.edge import Edge
from orion_core.http.shortcut import Shortcut, is_plain_json, parse_json


class RefusedError(Exception):
    """What one service alone knows how to answer."""


FAULTS: dict[str, Exception] = {
    "refused": Problem(409, "taken", "Taken", "It is taken."),
    "unreachable": ConnectionError("a secret"),
    "bug": RuntimeError("a secret"),
    "own": RefusedError("a secret"),
}


async def answer(request: Request) -> Response:
    said = parse_json(await request.body())
    if isinstance(said, str):
        raise FAULTS[said]
    return JSONResponse({"by": "shortcut"})


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"by": "route"})(scope, receive, send)


async def say_teapot(_: Request, __: Exception) -> Response:
    return JSONResponse({"code": "teapot"}, 418, media_type="application/problem+json")


@pytest.fixture
def edge() -> ASGIApp:
    shortcuts = [Shortcut("POST", "/short", answer, is_plain_json)]
    within = Edge(behind, body_limit=100, trusted_proxies=(), shortcuts=shortcuts)
    application = FastAPI()
    problems.install(application)
    application.add_exception_handler(RefusedError, say_teapot)

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = application
        await within(scope, receive, send)

    return served


def http(edge: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://sample")


async def test_only_the_usual_request_takes_it(edge: ASGIApp) -> None:
    async with http(edge) as client:
        assert (await client.post("/short", json={})).json() == {"by": "shortcut"}
        assert (await client.post("/short?a=1", json={})).json() == {"by": "route"}
        assert (await client.post("/short", content=b"{}")).json() == {"by": "route"}
        assert (await client.get("/short")).json() == {"by": "route"}
        assert (await client.post("/short/", json={})).json() == {"by": "route"}


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b'"refused"', 409, "taken"),
        (b'"unreachable"', 503, "database_unreachable"),
        (b'"bug"', 500, "internal_error"),
        (b"{", 400, "invalid_json"),
        (b'"' + b"x" * 100 + b'"', 413, "body_too_large"),
    ],
)
async def test_what_fails_is_answered_as_everywhere(edge: ASGIApp, sent: bytes, status: int, code: str) -> None:
    async with http(edge) as client:
        answered = await client.post("/short", content=sent, headers={"Content-Type": "application/json"})
    assert (answered.status_code, answered.json()["code"]) == (status, code)
    assert answered.headers["content-type"] == "application/problem+json"
    assert answered.json()["instance"] == answered.headers["x-request-id"]
    assert "secret" not in answered.text


async def test_a_service_answers_its_own_errors_there_too(edge: ASGIApp) -> None:
    async with http(edge) as client:
        answered = await client.post("/short", json="own")
    assert (answered.status_code, answered.json()) == (418, {"code": "teapot"})
