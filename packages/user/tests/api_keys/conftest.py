"""The whole service, and callers who are people, keys and administrators."""

import asyncio
import base64
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
from packages.user.tests.conftest import ISSUER, FakeImports, fake_auth, signed

from orion_core.api_keys import ApiKeyText
from orion_core.ids import uuid7
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock, TestDatabase
from orion_user.app import build
from orion_user.settings import UserSettings


@dataclass
class User:
    """A running service."""

    transport: httpx.ASGITransport
    clock: MovableClock
    stop: Callable[[], Awaitable[None]]
    """Ends the service, which writes down what it has in memory."""

    async def later(self, **delta: float) -> None:
        """Move the clock, and wait until the service has heard from auth since."""
        self.clock.advance(**delta)
        await self.ready()

    async def ready(self) -> None:
        async with self.client() as client:
            for _ in range(200):
                if (await client.get("/readyz")).json()["status"] == "ready":
                    return
                await asyncio.sleep(0.02)

    def client(self, token: str | None = None, address: str = "192.0.2.1") -> httpx.AsyncClient:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(self.transport.app, client=(address, 1), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://user", headers=headers)

    def person(self, user_id: UUID, *, auth_time: int | None = None, epoch: int = 0) -> httpx.AsyncClient:
        """Somebody who has just signed in, unless it is said when."""
        proved_at = int(self.clock().timestamp()) if auth_time is None else auth_time
        return self.client(signed(self.clock, str(user_id), uuid7(), auth_time=proved_at, epoch=epoch))

    def program(
        self,
        issued: dict[str, Any],
        address: str = "192.0.2.1",
        *,
        scope: str | None = None,
        auth_time: int | None = None,
    ) -> httpx.AsyncClient:
        """A program with a token that auth gave for this key."""
        subject = issued["user_id"] or f"service:{issued['service']}"
        scope = " ".join(issued["scopes"]) if scope is None else scope
        token = signed(
            self.clock, subject, UUID(issued["id"]), scope, client_id=issued["client_id"], auth_time=auth_time
        )
        return self.client(token, address)

    def operator(self) -> httpx.AsyncClient:
        """Whoever runs the place."""
        return self.client(signed(self.clock, "operator", None, "auth:admin", client_id="operator"))


@asynccontextmanager
async def running(database: TestDatabase, clock: MovableClock) -> AsyncGenerator[User]:
    values = {
        "ORION_ENV": "test",
        "USER_DATABASE_URL": database.url,
        "USER_SEALING_KEYS": f"k1:{base64.b64encode(os.urandom(32)).decode()}",
        "USER_EVENT_SEALING_KEYS": Keyring.example(),
        "USER_SERVICE_KEY": "key",
        "AUTH_URL": ISSUER,
        "AUTH_ISSUER": ISSUER,
    }
    to_auth = httpx.AsyncClient(transport=httpx.ASGITransport(fake_auth(FakeImports())))
    application = build(UserSettings.model_validate(values), to_auth, clock)
    async with AsyncExitStack() as running_until:
        await running_until.enter_async_context(application.router.lifespan_context(application))
        user = User(httpx.ASGITransport(application), clock, running_until.aclose)
        await user.ready()
        yield user


@pytest.fixture
async def user(test_database: TestDatabase, clock: MovableClock) -> AsyncGenerator[User]:
    async with running(test_database, clock) as started:
        yield started


async def made(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    """A key that this person has made."""
    answer = await client.post("/user/v1/me/api-keys", json={"name": "k", "scopes": ["user:read"]} | more)
    assert answer.status_code == 201, answer.text
    assert ApiKeyText.parse(answer.json()["key"]) is not None
    return answer.json()
