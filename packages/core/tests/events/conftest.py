"""A feed over HTTP as another service meets it: the HTTP kit around a real outbox, with a token endpoint beside it."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_contracts.events import SessionEnded
from orion_core.database import Database
from orion_core.errors import unauthenticated
from orion_core.events.client import FeedClient
from orion_core.events.feed import Feed
from orion_core.events.outbox import Outbox
from orion_core.http.application import create_application
from orion_core.http.feed import feed_routes
from orion_core.ids import uuid7
from orion_core.service_token import ServiceTokens
from orion_core.settings import ServiceSettings
from orion_core.testing import MovableClock, TestDatabase
from orion_core.wakeup import Wakeup

URL = "http://auth.test"


def session_ended(session_id: UUID | None = None) -> SessionEnded:
    """An event of a session of its own."""
    now = datetime.now(UTC)
    return SessionEnded(
        session_id=session_id or uuid7(),
        user_id=uuid7(),
        reason="SIGNED_OUT",
        ended_at=now,
        tokens_expire_at=now + timedelta(minutes=10),
    )


class Source:
    """The service whose feed is followed."""

    def __init__(self, database: Database, wakeup: Wakeup) -> None:
        self.database = database
        self.feed = Feed(database, wakeup, "auth")
        self.outbox = Outbox(self.feed)
        self.token = "good"
        """What the feed takes as a token, and what the token endpoint gives."""
        self.asked = 0
        self.faults: list[httpx.Response] = []
        """What is answered instead of the feed's next answers."""

    async def record(self, *events: SessionEnded) -> list[str]:
        """Commit events in one transaction; returns their subjects."""
        written = list(events) or [session_ended()]
        async with self.database.transaction() as transaction:
            for event in written:
                await self.outbox.record(transaction, event, datetime.now(UTC))
        return [event.subject for event in written]

    async def authenticate(self, request: Request) -> AccessClaims:
        """Refuse all tokens but the present one."""
        if request.headers.get("authorization") != f"Bearer {self.token}":
            raise unauthenticated("no")
        return AccessClaims(
            iss="i", aud="orion", sub="user", client_id="user", scope="events:read", exp=2**31, iat=0, jti="1"
        )


@pytest.fixture
async def wakeup(own_database: TestDatabase) -> Wakeup:
    """A wakeup that nothing carries to other processes: readers depend on their polling."""
    return Wakeup(own_database.url, "outbox")


@pytest.fixture
async def source(database: Database, wakeup: Wakeup) -> Source:
    """An empty outbox and its feed."""
    return Source(database, wakeup)


@pytest.fixture
async def http(source: Source) -> AsyncGenerator[httpx.AsyncClient]:
    """HTTP to the source."""
    inner = httpx.ASGITransport(feed_application(source))

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/auth/v1/events"):
            source.asked += 1
            if source.faults:
                return source.faults.pop(0)
        response = await inner.handle_async_request(request)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url=URL) as client:
        yield client


@pytest.fixture
def client(source: Source, http: httpx.AsyncClient, clock: MovableClock) -> FeedClient:
    """The feed as another service reads it."""
    return FeedClient("auth", f"{URL}/auth/v1/events", ServiceTokens(http, URL, "user", "key", clock), http)


def feed_application(source: Source) -> FastAPI:
    router = APIRouter()

    @router.post("/auth/oauth2/token")
    async def token() -> dict[str, Any]:
        return {"access_token": source.token, "expires_in": 600}

    return create_application(
        name="auth",
        title="Source",
        settings=ServiceSettings.load(),
        database=source.database,
        components=None,
        routers=[router, _under("/auth/v1", feed_routes(source.feed, source.authenticate))],
    )


def _under(prefix: str, router: APIRouter) -> APIRouter:
    outer = APIRouter(prefix=prefix)
    outer.include_router(router)
    return outer
