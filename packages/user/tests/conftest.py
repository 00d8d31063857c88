"""A seeded database of user, and auth's feed as a list of events that a test hands over."""

import asyncio
import base64
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orion_contracts.claims import API_KEY_CLIENT, AccessClaims
from orion_contracts.cloud_event import CloudEvent
from orion_contracts.event import Event
from orion_contracts.events import EmailVerified, IdentityRegistered
from orion_core.database import Database
from orion_core.events.client import NEXT_POSITION, FeedClient
from orion_core.events.feed import Feed
from orion_core.events.follow import Follower
from orion_core.events.outbox import Outbox
from orion_core.ids import uuid7
from orion_core.sealing import Keyring
from orion_core.service_token import ServiceTokens
from orion_core.testing import MovableClock, TestDatabase, client_of_nobody
from orion_core.wakeup import Wakeup
from orion_user.app import build
from orion_user.events import handlers
from orion_user.service import service as described
from orion_user.settings import UserSettings


@pytest.fixture
async def test_database(make_seeded_database: Callable[[str], Awaitable[TestDatabase]]) -> TestDatabase:
    """A migrated database with its reference rows."""
    return await make_seeded_database("user")


@pytest.fixture
async def database(test_database: TestDatabase) -> AsyncGenerator[Database]:
    """The database as the service sees it."""
    connected = Database.connect(test_database.url, role=described.service_role, application="test")
    yield connected
    await connected.close()


@pytest.fixture
async def owner(test_database: TestDatabase) -> AsyncGenerator[Database]:
    """The database as its owner sees it."""
    connected = Database.connect(test_database.owner_url, role=described.owner_role, application="test owner")
    yield connected
    await connected.close()


@pytest.fixture
def outbox(database: Database, test_database: TestDatabase) -> Outbox:
    """Where the service tells the others."""
    return Outbox(Feed(database, Wakeup(test_database.url, "outbox"), source="user"))


@dataclass
class AuthFeed:
    """Auth's feed: hands over events as they would come, and can hand over the same ones again."""

    database: Database
    url: str
    clock: MovableClock
    positions: "count[int]" = field(default_factory=lambda: count(1))
    at: int = 0

    def follower(self) -> Follower:
        """Another copy of the service that follows the feed."""
        http = client_of_nobody()
        client = FeedClient("auth", "http://auth", ServiceTokens(http, "http://auth", "user", "", self.clock), http)
        outbox = Outbox(Feed(self.database, Wakeup(self.url, "outbox"), source="user"))
        return Follower(client, self.database, self.clock, handlers(outbox, self.clock))

    def envelope(self, event: Event) -> CloudEvent:
        """The event as it stands in the feed."""
        return CloudEvent(
            id=uuid7(),
            source="auth",
            type=event.type,
            subject=event.subject,
            time=self.clock(),
            position=next(self.positions),
            data=event.data(),
        )

    async def bring(self, *events: Event) -> list[CloudEvent]:
        """Apply these events, in this order."""
        envelopes = [self.envelope(event) for event in events]
        following = envelopes[-1].position
        await self.follower().apply(self.at, envelopes, following)
        self.at = following
        return envelopes

    async def register(self, email: str = "ada@example.com", **fields: str) -> UUID:
        """Have somebody register; returns their id."""
        values = {"locale": "de", "timezone": "Europe/Berlin", **fields}
        user_id = uuid7()
        event = {"user_id": user_id, "email": email, "registered_at": self.clock(), **values}
        await self.bring(IdentityRegistered.model_validate(event))
        return user_id


@pytest.fixture
def auth(database: Database, test_database: TestDatabase, clock: MovableClock) -> AuthFeed:
    """Auth, as far as its feed tells."""
    return AuthFeed(database, test_database.url, clock)


Query = Callable[..., Awaitable[list[tuple[Any, ...]]]]


@pytest.fixture
def query(database: Database) -> Query:
    """`await query(sql, **parameters)`: the rows, as the service sees them."""

    async def run(sql: str, **parameters: object) -> list[tuple[Any, ...]]:
        async with database.autocommit() as connection:
            result = await connection.execute(text(sql), parameters)
            return [tuple(row) for row in result] if result.returns_rows else []

    return run


ISSUER = "http://auth"
EVENT_SEALING_KEYS = Keyring.new_key("events")
KEY = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})

Caller = Callable[[UUID, UUID], httpx.AsyncClient]
Sign = Callable[..., str]


@dataclass
class FakeImports:
    """Whom auth has taken in: the owners of addresses."""

    owners: dict[str, UUID] = field(default_factory=dict[str, UUID])

    def take_in(self, identities: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What auth answers: it takes in whose address nobody has."""
        became: list[dict[str, Any]] = []
        for each in identities:
            owner = self.owners.setdefault(each["email"], UUID(each["id"]))
            outcome = "CREATED" if str(owner) == each["id"] else "EXISTS"
            became.append({"outcome": outcome, "user_id": str(owner), "email": each["email"], "reason": None})
        return became

    def transport(self) -> httpx.ASGITransport:
        """To an auth of which this is the memory."""
        return httpx.ASGITransport(fake_auth(self))


@pytest.fixture
def taken_in() -> FakeImports:
    return FakeImports()


def fake_auth(taken_in: FakeImports) -> FastAPI:
    """What of auth and notifications this service asks for."""
    auth = FastAPI()
    waiting: set[str] = set()

    @auth.get("/auth/.well-known/jwks.json")
    async def keys() -> dict[str, Any]:
        return {"keys": [KEY.as_dict(private=False) | {"alg": "ES256"}]}

    @auth.post("/auth/oauth2/token")
    async def token() -> dict[str, Any]:
        return {"access_token": "service", "token_type": "Bearer", "expires_in": 600}

    @auth.get("/auth/v1/revocations")
    async def revocations() -> dict[str, Any]:
        return {"sessions": [], "position": 0}

    @auth.get("/auth/v1/events")
    @auth.get("/notifications/v1/events")
    async def events(request: Request) -> Response:
        """Nothing has happened: whoever asks first hears so at once, and whoever asks again after a while."""
        follower = str(request.url)
        if follower in waiting:
            await asyncio.sleep(0.2)
        waiting.add(follower)
        return JSONResponse([], headers={NEXT_POSITION: request.query_params["after"]})

    @auth.post("/auth/v1/identity-imports")
    async def identity_imports(request: Request) -> list[dict[str, Any]]:
        return taken_in.take_in((await request.json())["identities"])

    @auth.get("/auth/v1/users/{user_id}/personal-data")
    @auth.get("/notifications/v1/users/{user_id}/personal-data")
    async def personal_data(user_id: UUID) -> dict[str, Any]:
        return {"known": [{"user_id": str(user_id)}]}

    return auth


def signed(clock: MovableClock, subject: str, session: UUID | None, scope: str = "", **more: Any) -> str:
    now = int(clock().timestamp())
    values: dict[str, Any] = {
        "iss": ISSUER,
        "aud": "orion",
        "sub": subject,
        "client_id": "orion",
        "sid": None if session is None else str(session),
        "scope": scope,
        "exp": now + 600,
        "iat": now,
        "jti": str(uuid7()),
        "auth_time": None if session is None or more.get("client_id", "").startswith(API_KEY_CLIENT) else now,
    }
    claims = AccessClaims.model_validate(values | more)
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}
    return jwt.encode(header, claims.model_dump(exclude_none=True), KEY, algorithms=["ES256"])


@asynccontextmanager
async def running(application: FastAPI) -> AsyncGenerator[httpx.ASGITransport]:
    async with application.router.lifespan_context(application):
        yield httpx.ASGITransport(application)


@pytest.fixture
async def service(
    test_database: TestDatabase, clock: MovableClock, taken_in: FakeImports
) -> AsyncGenerator[httpx.ASGITransport]:
    """The whole service."""
    values = {
        "USER_DATABASE_URL": test_database.url,
        "USER_SEALING_KEYS": f"k1:{base64.b64encode(os.urandom(32)).decode()}",
        "USER_EVENT_SEALING_KEYS": EVENT_SEALING_KEYS,
        "USER_INVITATION_URL": "https://app.example/join?from=mail",
        "USER_SERVICE_KEY": "key",
        "AUTH_URL": ISSUER,
        "AUTH_ISSUER": ISSUER,
    }
    to_auth = httpx.AsyncClient(transport=taken_in.transport())
    async with running(build(UserSettings.model_validate(values), to_auth, clock)) as transport:
        await until_ready(transport)
        yield transport


async def until_ready(transport: httpx.ASGITransport) -> None:
    """Wait until the service has heard of auth."""
    async with httpx.AsyncClient(transport=transport, base_url="http://user") as client:
        for _ in range(200):
            if (await client.get("/readyz")).json()["status"] == "ready":
                break
            await asyncio.sleep(0.02)


@pytest.fixture
def sign(clock: MovableClock) -> Sign:
    """`sign(subject, session_id, scope, **claims)`: an access token of auth."""
    return partial(signed, clock)


@pytest.fixture
def caller(service: httpx.ASGITransport, clock: MovableClock) -> Caller:
    """A client that is signed in as a user, in a session."""

    def sign_in(user_id: UUID, session_id: UUID) -> httpx.AsyncClient:
        def authorize(request: httpx.Request) -> httpx.Request:
            request.headers["Authorization"] = f"Bearer {signed(clock, str(user_id), session_id)}"
            return request

        return httpx.AsyncClient(transport=service, base_url="http://user", auth=authorize)

    return sign_in


PassTime = Callable[..., Awaitable[None]]


@pytest.fixture
def pass_time(service: httpx.ASGITransport, clock: MovableClock) -> PassTime:
    """`await pass_time(minutes=5)`: move the clock, and wait until the service has heard of auth again."""

    async def run(**amount: float) -> None:
        clock.advance(**amount)
        await until_ready(service)

    return run


Give = Callable[..., Awaitable[None]]


@pytest.fixture
def give(query: Query) -> Give:
    """`await give(user_id, role, scope, scope_id)`: have a user have a role, for good, as if from the beginning."""

    async def run(user_id: UUID, role: str, scope: str = "GLOBAL", scope_id: UUID | None = None) -> None:
        await query(
            """
            INSERT INTO user_roles (user_id, role_id, scope, scope_id, starts_at)
            SELECT :user_id, id, CAST(:scope AS permission_scope), :scope_id, '2020-01-01' FROM roles WHERE name = :role
            """,
            user_id=user_id,
            role=role,
            scope=scope,
            scope_id=scope_id,
        )

    return run


GRANT = """
    INSERT INTO user_roles (user_id, role_id, starts_at, reason)
    SELECT :user_id, id, :now, 'test' FROM roles WHERE name = :role
"""


@dataclass
class People:
    """Users with roles, each with a client."""

    auth: AuthFeed
    caller: Caller
    query: Query

    async def add(self, email: str, role: str | None = None, **fields: str) -> UUID:
        """A user with a verified address, with `role` beside the first one."""
        user_id = await self.auth.register(email, **fields)
        await self.auth.bring(EmailVerified(user_id=user_id, email=email, verified_at=self.auth.clock()))
        if role is not None:
            await self.query(GRANT, user_id=user_id, role=role, now=self.auth.clock())
        return user_id

    def client(self, user_id: UUID) -> httpx.AsyncClient:
        """A client that is signed in as that user."""
        return self.caller(user_id, uuid7())

    async def moderator(self) -> httpx.AsyncClient:
        """A client of somebody who may administer users."""
        return self.client(await self.add("moderator@example.com", "moderator"))

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """What user has told the other services, but of new users."""
        rows = await self.query("SELECT type, data FROM outbox WHERE type NOT LIKE '%.created.v1' ORDER BY sequence")
        return [(type_, data) for type_, data in rows]


@pytest.fixture
def people(auth: AuthFeed, caller: Caller, query: Query) -> People:
    return People(auth, caller, query)


Changed = Callable[[httpx.AsyncClient, str, dict[str, Any]], Awaitable[httpx.Response]]


@pytest.fixture
def changed() -> Changed:
    """`await changed(client, url, patch)`: read it, and change what was read."""

    async def run(client: httpx.AsyncClient, url: str, patch: dict[str, Any]) -> httpx.Response:
        etag = (await client.get(url)).headers["ETag"]
        return await client.patch(url, json=patch, headers={"If-Match": etag})

    return run
