"""Auth beside a user service that tells of API keys."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from packages.auth.tests.conftest import running
from starlette.requests import Request
from starlette.responses import Response

from orion_contracts.api_keys import ApiKeyChanged
from orion_contracts.cloud_event import CloudEvent
from orion_contracts.event import Event
from orion_core.api_keys import ApiKeyText
from orion_core.events.client import NEXT_POSITION
from orion_core.ids import uuid7
from orion_core.testing import MovableClock, TestDatabase

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth


@dataclass
class Told:
    """A key as user has it."""

    id: UUID
    text: ApiKeyText
    event: ApiKeyChanged


@dataclass
class UserService:
    """User, as far as auth sees it: a feed."""

    clock: MovableClock
    events: list[CloudEvent] = field(default_factory=list[CloudEvent])
    is_away: bool = False
    shown: str = ""
    asked_after: int = 0

    def application(self) -> FastAPI:
        application = FastAPI()

        @application.get("/user/v1/events")
        async def events(request: Request) -> Response:
            await asyncio.sleep(0.02)
            if self.is_away:
                return Response(status_code=503)
            self.shown = request.headers["authorization"]
            after = self.asked_after = int(request.query_params["after"])
            found = [event.model_dump_json(exclude_none=True) for event in self.events if event.position > after]
            return Response(f"[{','.join(found)}]", headers={NEXT_POSITION: str(max(after, len(self.events)))})

        return application

    async def tell(self, event: Event) -> None:
        """Have auth hear of it, and wait until it has."""
        position = len(self.events) + 1
        envelope = {"id": uuid7(), "source": "user", "type": event.type, "subject": event.subject}
        more = {"time": self.clock(), "position": position, "data": event.data()}
        self.events.append(CloudEvent.model_validate(envelope | more))
        await self.heard(position)

    async def heard(self, position: int = 0) -> None:
        """Wait until auth has asked anew, and knows all that there was before."""
        self.asked_after = -1
        async with asyncio.timeout(10):
            while self.asked_after < position:  # noqa: ASYNC110 - the other side is a task of its own
                await asyncio.sleep(0.01)

    async def key(self, user_id: UUID | None = None, **more: Any) -> Told:
        """A key that somebody has just made."""
        text = ApiKeyText.new("test")
        values: dict[str, Any] = {
            "key_id": uuid7(),
            "change": "ISSUED",
            "name": "export",
            "prefix": text.prefix,
            "key_hash": text.secret_hash.hex(),
            "user_id": user_id,
            "service": None if user_id is not None else "billing",
            "scopes": ["content:read", "user:read"],
            "changed_at": self.clock(),
        }
        event = ApiKeyChanged.model_validate(values | more)
        await self.tell(event)
        return Told(event.key_id, text, event)

    async def change(self, key: Told, change: str, **more: Any) -> None:
        """What has become of a key."""
        await self.tell(key.event.model_copy(update={"change": change, "changed_at": self.clock()} | more))

    async def revoke(self, key: Told, change: str = "REVOKED") -> None:
        await self.change(key, change, revoked_at=self.clock())


@dataclass
class Desk:
    """Auth and user."""

    auth: "Auth"
    user: UserService

    async def exchange(self, key: Told | ApiKeyText, address: str = "192.0.2.1", **form: str) -> httpx.Response:
        """Ask for a token with a key."""
        text = key.text if isinstance(key, Told) else key
        return await self.shown(text.client_id, text.text, address, **form)

    async def shown(self, client_id: str, secret: str, address: str = "192.0.2.1", **form: str) -> httpx.Response:
        transport = httpx.ASGITransport(self.auth.application, client=(address, 1), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://auth.test") as http:
            data = {"grant_type": "client_credentials"} | form
            return await http.post("/auth/oauth2/token", data=data, auth=(client_id, secret))

    async def told(self, token: str, service: str = "user") -> dict[str, Any]:
        """What a service learns of a token."""
        key = (service, self.auth.service_key)
        return (await self.auth.http.post("/auth/oauth2/introspect", data={"token": token}, auth=key)).json()


@pytest.fixture
async def desk(
    make_seeded_database: Callable[[str], Awaitable[TestDatabase]], clock: MovableClock
) -> AsyncGenerator[Desk]:
    user = UserService(clock)
    to_user = httpx.AsyncClient(transport=httpx.ASGITransport(user.application()))
    database = await make_seeded_database("auth")
    async with running(database, clock, to_user=to_user, USER_URL="http://user.test/") as auth:
        yield Desk(auth, user)
