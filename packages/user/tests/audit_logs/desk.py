"""The service, with everything around it played by functions: auth, and whoever streams are delivered to."""

import base64
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey

from orion_contracts.claims import AccessClaims
from orion_core.events.client import NEXT_POSITION
from orion_core.ids import uuid7
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock, TestDatabase
from orion_user.app import build
from orion_user.settings import UserSettings

ISSUER = "http://auth"
KEY = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})
SEALING = f"k1:{base64.b64encode(os.urandom(32)).decode()}"
KEYRING = Keyring.parse(SEALING)


@dataclass
class Outside:
    """What the service reaches by HTTP."""

    receivers: dict[str, Callable[[httpx.Request], httpx.Response]] = field(
        default_factory=dict[str, Callable[[httpx.Request], httpx.Response]]
    )
    """Who answers, by host."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        if request.url.host in self.receivers:
            return self.receivers[request.url.host](request)
        match request.url.path:
            case "/auth/.well-known/jwks.json":
                return httpx.Response(200, json={"keys": [KEY.as_dict(private=False) | {"alg": "ES256"}]})
            case "/auth/oauth2/token":
                return httpx.Response(200, json={"access_token": "service", "expires_in": 600})
            case "/auth/v1/revocations":
                return httpx.Response(200, json={"sessions": [], "position": 0})
            case _:
                return httpx.Response(200, json=[], headers={NEXT_POSITION: request.url.params.get("after", "0")})


@dataclass
class Desk:
    """A running service."""

    transport: httpx.ASGITransport
    clock: MovableClock
    outside: Outside

    def client(self, subject: str, session: UUID | None = None, scope: str = "") -> httpx.AsyncClient:
        """Somebody's client."""
        now = int(self.clock().timestamp())
        values: dict[str, Any] = {
            "iss": ISSUER,
            "aud": "orion",
            "sub": subject,
            "client_id": subject if session is None else "orion",
            "sid": None if session is None else str(session),
            "scope": scope,
            "exp": now + 600,
            "iat": now,
            "jti": str(uuid7()),
            "auth_time": None if session is None else now,
        }
        claims = AccessClaims.model_validate(values).model_dump(exclude_none=True)
        token = jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "k1"}, claims, KEY, algorithms=["ES256"])
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(transport=self.transport, base_url="http://user/user/v1", headers=headers)

    def operator(self) -> httpx.AsyncClient:
        """The client of whoever administers."""
        return self.client("operator", scope="auth:admin")

    def user(self, user_id: UUID) -> httpx.AsyncClient:
        """The client of a user in a session."""
        return self.client(str(user_id), uuid7())


@asynccontextmanager
async def running(test_database: TestDatabase, clock: MovableClock) -> AsyncGenerator[Desk]:
    """The whole service."""
    values = {
        "USER_DATABASE_URL": test_database.url,
        "USER_SEALING_KEYS": SEALING,
        "USER_EVENT_SEALING_KEYS": Keyring.example(),
        "USER_SERVICE_KEY": "key",
        "AUTH_URL": ISSUER,
        "AUTH_ISSUER": ISSUER,
        "ORION_ENV": "test",
    }
    outside = Outside()
    http = httpx.AsyncClient(transport=httpx.MockTransport(outside))
    application: FastAPI = build(UserSettings.model_validate(values), http, clock)
    async with application.router.lifespan_context(application):
        desk = Desk(httpx.ASGITransport(application), clock, outside)
        async with httpx.AsyncClient(transport=desk.transport, base_url="http://user") as client:
            while (await client.get("/readyz")).json()["status"] != "ready":
                pass
        yield desk
