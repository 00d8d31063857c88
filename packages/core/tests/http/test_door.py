"""In front of an expensive route a crowd waits outside, in order, and everybody else is served meanwhile."""

import asyncio
import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from orion_core.errors import Problem
from orion_core.http import door
from orion_core.http.door import AT_ONCE, enter_door, leave_door
from orion_core.http.edge import Edge

EXPENSIVE = ("POST", "/expensive")
PARTICULAR = "/particular"
"""Of a route that enters the door by itself, once it knows who asks."""


class Service:
    """An application whose requests go on when the test says so."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.let_in: list[str] = []
        self.most = 0
        self.go_on = asyncio.Event()
        self.edge = Edge(self._answer, body_limit=100, trusted_proxies=(), expensive=[EXPENSIVE])

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = (await Request(scope, receive).body()).decode()
        self.inside.append(name)
        self.most = max(self.most, len(self.inside))
        try:
            if scope["path"] == PARTICULAR:
                try:
                    await enter_door(is_preferred=name.startswith("known"))
                except Problem as problem:
                    await JSONResponse({}, problem.status)(scope, receive, send)
                    return
                self.let_in.append(name)
                await self.go_on.wait()
            if name.startswith("leaves"):
                leave_door()
                leave_door()
            if name == "fails":
                raise RuntimeError
            if scope["path"] == EXPENSIVE[1]:
                await self.go_on.wait()
        finally:
            self.inside.remove(name)
        await JSONResponse({"name": name})(scope, receive, send)

    async def ask(self, name: str, path: str = EXPENSIVE[1], rest: asyncio.Event | None = None) -> dict[str, Any]:
        """One request, its body the name; the end of the body comes when `rest` does."""
        sent: list[Message] = []
        chunks = [name.encode()] if rest is None else [name.encode(), b""]

        async def receive() -> Message:
            if rest is not None and len(chunks) == 1:
                await rest.wait()
            return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

        async def keep(message: Message) -> None:
            sent.append(message)

        scope: Scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
        await self.edge(scope, receive, keep)
        headers = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
        return {"status": sent[0]["status"], "headers": headers, "body": json.loads(sent[1]["body"])}

    def crowd(self, size: int, name: str = "one", path: str = EXPENSIVE[1]) -> list[asyncio.Task[dict[str, Any]]]:
        """Requests that have arrived and stand wherever they have got to."""
        return [asyncio.create_task(self.ask(f"{name} {n}", path)) for n in range(size)]


async def arrived() -> None:
    """Let everybody walk as far as he can."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_few_are_inside_in_the_order_in_which_they_came_and_all_are_served() -> None:
    service = Service()
    crowd = service.crowd(AT_ONCE * 5)
    await arrived()
    assert service.inside == [f"one {n}" for n in range(AT_ONCE)]
    assert (await service.ask("somebody else", "/cheap"))["status"] == 200
    service.go_on.set()
    answers = await asyncio.gather(*crowd)
    assert [answer["body"]["name"] for answer in answers] == [f"one {n}" for n in range(AT_ONCE * 5)]
    assert service.most == AT_ONCE + 1  # with somebody else


async def test_who_sends_slowly_keeps_nobody_out() -> None:
    service, rest = Service(), asyncio.Event()
    slow = [asyncio.create_task(service.ask(f"slow {n}", rest=rest)) for n in range(AT_ONCE * 2)]
    await arrived()
    service.go_on.set()
    assert (await service.ask("quick"))["status"] == 200
    rest.set()
    assert {answer["status"] for answer in await asyncio.gather(*slow)} == {200}


async def test_who_waits_for_something_else_lets_the_next_in_once() -> None:
    service = Service()
    crowd = service.crowd(3, "leaves") + service.crowd(AT_ONCE * 2)
    await arrived()
    assert len([name for name in service.inside if name.startswith("one")]) == AT_ONCE
    service.go_on.set()
    await asyncio.gather(*crowd)


async def test_who_is_known_goes_before_a_crowd_of_strangers_and_waits_in_no_full_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door, "MOST_WAITING", 4)
    service = Service()
    crowd = service.crowd(AT_ONCE + 4)
    await arrived()
    strangers = service.crowd(2, "stranger", PARTICULAR)
    known = service.crowd(2, "known", PARTICULAR)
    await arrived()
    assert [stranger.done() for stranger in strangers] == [True, True]
    service.go_on.set()
    assert [(await each)["status"] for each in (*strangers, *known, *crowd)] == [503] * 2 + [200] * (AT_ONCE + 6)
    assert service.let_in == ["known 0", "known 1"]
    monkeypatch.undo()
    service.go_on.clear()
    crowd = service.crowd(AT_ONCE)
    await arrived()
    late = [each for name in ("stranger", "known") for each in service.crowd(2, name, PARTICULAR)]
    await arrived()
    service.go_on.set()
    await asyncio.gather(*crowd, *late)
    assert service.let_in[2:] == ["known 0", "known 1", "stranger 0", "stranger 1"]


async def test_every_place_is_given_back_however_a_request_ends() -> None:
    service = Service()
    for _ in range(AT_ONCE):
        assert (await service.ask("fails"))["status"] == 500
    crowd = service.crowd(AT_ONCE * 2)
    await arrived()
    for gone in crowd:  # half of them are inside, half are waiting
        gone.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    crowd = service.crowd(AT_ONCE)
    await arrived()
    assert len(service.inside) == AT_ONCE
    service.go_on.set()
    await asyncio.gather(*crowd)


async def test_nobody_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "PATIENCE_SECONDS", 0.05)
    service = Service()
    crowd = service.crowd(AT_ONCE)
    await arrived()
    late = await service.ask("late")
    assert (late["status"], late["body"]["code"], late["headers"]["retry-after"]) == (503, "crowded", "1")
    service.go_on.set()
    assert {answer["status"] for answer in await asyncio.gather(*crowd)} == {200}
    assert (await service.ask("later"))["status"] == 200


async def test_of_a_crowd_that_is_too_large_the_last_are_sent_away_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MOST_WAITING", 3)
    service = Service()
    crowd = service.crowd(AT_ONCE + 3)
    await arrived()
    assert (await service.ask("last"))["status"] == 503
    service.go_on.set()
    assert {answer["status"] for answer in await asyncio.gather(*crowd)} == {200}
