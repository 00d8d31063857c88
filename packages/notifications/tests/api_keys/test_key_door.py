"""From where the token of an API key is taken, how often, and that user is told how often it was."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import orjson
import pytest
from fastapi import FastAPI
from packages.notifications.tests.conftest import as_named

from orion_contracts.api_keys import NotificationsApiKeyUsed
from orion_core.ids import uuid7
from orion_core.testing import MovableClock, client_of_nobody
from orion_notifications.app import build

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import MakeSettings, Query

Start = Callable[[], Any]
LIST = "/notifications/v1/notifications"
READ = "notification:read"


@pytest.fixture
def start(make_settings: "MakeSettings", clock: MovableClock) -> Start:
    """`async with start() as application:` is one process of the service; two share the database."""

    @asynccontextmanager
    async def run() -> AsyncGenerator[FastAPI]:
        made = build(make_settings(), client_of_nobody(), clock)
        made.state.components = replace(made.state.components, authenticate=as_named)
        yield made
        await made.state.components.key_door.uses.flush()
        await made.state.components.database.close()

    return run


def program(application: FastAPI, key_id: UUID, address: str = "192.0.2.1", **claims: Any) -> httpx.AsyncClient:
    """Whoever has a token of this key, at this address."""
    told = {"sub": "service:shop", "client_id": "orn_shop", "sid": str(key_id), "scope": READ} | claims
    headers = {"Authorization": f"Bearer {orjson.dumps(told).decode()}", "X-Forwarded-For": "10.1.2.3"}
    transport = httpx.ASGITransport(application, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://n", headers=headers)


async def test_the_key_of_a_network_opens_nothing_from_elsewhere(start: Start) -> None:
    async with start() as one:
        for address, status in (("10.1.2.3", 200), ("192.0.2.1", 403)):
            answer = await program(one, uuid7(), address, networks=["10.0.0.0/8"]).get(LIST)
            assert answer.status_code == status, answer.text
    assert answer.json()["code"] == "api_key_address"


async def test_a_limit_is_exact_over_several_processes_and_in_every_minute(start: Start, clock: MovableClock) -> None:
    limited, another = uuid7(), uuid7()
    async with start() as one, start() as two:
        clients = [program(each, limited, rate_limit=7) for each in (one, two)]
        answers = await asyncio.gather(*(clients[n % 2].get(LIST) for n in range(30)))
        assert sorted(answer.status_code for answer in answers) == [200] * 7 + [429] * 23
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.headers["RateLimit-Policy"] == '"api_key";q=7;w=60'
        assert (await program(one, another, rate_limit=7).get(LIST)).status_code == 200, "each key for itself"
        clock.advance(seconds=59)
        answer = await clients[0].get(LIST)
        assert answer.status_code == 429
        clock.advance(seconds=int(answer.headers["Retry-After"]))
        answers = await asyncio.gather(*(clients[0].get(LIST) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [429] * 3


async def test_user_is_told_of_uses_whether_or_not_there_is_a_limit(start: Start, query: "Query") -> None:
    of_ada, of_shop, ada = uuid7(), uuid7(), uuid7()
    async with start() as one:
        for address in ("192.0.2.1", "192.0.2.9"):
            await program(one, of_ada, address, sub=str(ada)).get(LIST)
        await program(one, of_shop, rate_limit=1).get(LIST)
        assert (await program(one, of_shop, rate_limit=1).get(LIST)).status_code == 429
        assert await query("SELECT count(*) FROM outbox") == [(0,)], "not with every request"
    told = [
        NotificationsApiKeyUsed.read(data)
        for (data,) in await query(
            "SELECT data FROM outbox WHERE type = :type ORDER BY sequence", type=NotificationsApiKeyUsed.type
        )
    ]
    assert [(use.key_id, use.user_id, use.count, str(use.ip_address)) for use in told] == [
        (of_ada, ada, 2, "192.0.2.9"),
        (of_shop, None, 1, "192.0.2.1"),
    ]
