"""A seeded database of notifications, auth's feed as events that a test hands over, and workers on real SMTP."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest
from fastapi import FastAPI
from packages.notifications.tests.stand_ins import Provider
from sqlalchemy import text
from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_contracts.cloud_event import CloudEvent
from orion_contracts.event import Event
from orion_contracts.events import EmailVerificationRequested, IdentityRegistered, VerificationSecrets
from orion_core.database import Database
from orion_core.errors import Problem, unauthenticated
from orion_core.events.client import FeedClient
from orion_core.events.feed import Feed
from orion_core.events.follow import Follower, Handler
from orion_core.events.outbox import Outbox
from orion_core.ids import uuid7
from orion_core.local.mailbox import Mailbox
from orion_core.outbound import GuardedTransport
from orion_core.sealing import Keyring
from orion_core.service_token import ServiceTokens
from orion_core.testing import MovableClock, TestDatabase, client_of_nobody
from orion_core.wakeup import Wakeup
from orion_notifications.app import build, consumer, user_consumer
from orion_notifications.delivery.actions import QUEUE_CHANNEL
from orion_notifications.delivery.dispatch import Pace
from orion_notifications.delivery.exchange import new_client
from orion_notifications.delivery.messages import Message
from orion_notifications.desk import Desk
from orion_notifications.kinds import Category
from orion_notifications.service import service
from orion_notifications.settings import NotificationSettings
from orion_notifications.templates.rules import Content
from orion_notifications.worker import work

KEYRING = Keyring.parse(Keyring.new_key("test"))
EVENT_KEYRING = Keyring.parse(Keyring.new_key("events"))
USER_EVENT_KEYRING = Keyring.parse(Keyring.new_key("of-user"))
MINUTE = timedelta(minutes=1)
PACE = Pace(slots=16, lease_seconds=4, send_seconds=2, poll_seconds=0.05, give_back_seconds=0.1)


@pytest.fixture
async def test_database(make_seeded_database: Callable[[str], Awaitable[TestDatabase]]) -> TestDatabase:
    """A migrated database with its reference rows."""
    return await make_seeded_database("notifications")


@pytest.fixture
async def database(test_database: TestDatabase) -> AsyncGenerator[Database]:
    """The database as the service sees it."""
    connected = Database.connect(test_database.url, role=service.service_role, application="test")
    yield connected
    await connected.close()


@pytest.fixture
async def owner(test_database: TestDatabase) -> AsyncGenerator[Database]:
    """The database as its owner sees it."""
    connected = Database.connect(test_database.owner_url, role=service.owner_role, application="test owner")
    yield connected
    await connected.close()


Query = Callable[..., Awaitable[list[tuple[Any, ...]]]]


@pytest.fixture
def query(database: Database) -> Query:
    """`await query(sql, **parameters)`: the rows, as the service sees them."""

    async def run(sql: str, **parameters: object) -> list[tuple[Any, ...]]:
        async with database.autocommit() as connection:
            result = await connection.execute(text(sql), parameters)
            return [tuple(row) for row in result] if result.returns_rows else []

    return run


@pytest.fixture
def queue(test_database: TestDatabase) -> Wakeup:
    """The queue's bell."""
    return Wakeup(test_database.url, QUEUE_CHANNEL)


@pytest.fixture
def desk(queue: Wakeup) -> Desk:
    """What queueing a message needs."""
    return Desk(KEYRING, queue)


MakeSettings = Callable[..., NotificationSettings]


@pytest.fixture
def make_settings(test_database: TestDatabase) -> MakeSettings:
    """Settings of this test's database; arguments go before."""

    def make(**other: object) -> NotificationSettings:
        settings = {
            "NOTIFICATION_DATABASE_URL": test_database.url,
            "NOTIFICATION_SEALING_KEYS": KEYRING,
            "EVENT_SEALING_KEYS": EVENT_KEYRING,
            "USER_EVENT_SEALING_KEYS": USER_EVENT_KEYRING,
            "NOTIFICATION_SERVICE_KEY": "unused",
            "NOTIFICATION_APP_URL": "https://app.example/",
        }
        return NotificationSettings.model_validate(settings | other)

    return make


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment of somebody who has been told nothing about this service, nor by a `.env`."""
    monkeypatch.chdir(tmp_path)
    for setting in NotificationSettings.model_fields.values():
        monkeypatch.delenv(str(setting.validation_alias), raising=False)


@dataclass
class AuthFeed:
    """Auth's feed: hands over events as they would come, and can hand over the same ones again."""

    database: Database
    settings: NotificationSettings
    queue: Wakeup
    clock: MovableClock
    positions: "count[int]" = field(default_factory=lambda: count(1))
    at: int = 0
    source: str = "auth"

    def handlers(self) -> Mapping[type[Event], Handler]:
        """What is done with each event."""
        outbox = Outbox(Feed(self.database, Wakeup(self.settings.database_url, "outbox"), "notifications"))
        return consumer(self.settings, self.queue, self.clock, outbox).handlers()

    def follower(self) -> Follower:
        """A copy of the service that follows the feed."""
        http = client_of_nobody()
        tokens = ServiceTokens(http, "http://auth", "notifications", "", self.clock)
        client = FeedClient(self.source, f"http://{self.source}", tokens, http)
        return Follower(client, self.database, self.clock, self.handlers())

    async def bring(self, *events: Event) -> list[CloudEvent]:
        """Apply these events, in this order."""
        envelopes = [
            CloudEvent(
                id=uuid7(),
                source=self.source,
                type=event.type,
                subject=event.subject,
                time=self.clock(),
                position=next(self.positions),
                data=event.data(),
            )
            for event in events
        ]
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

    def verification(
        self, user_id: UUID, email: str = "ada@example.com", locale: str = "de", minutes: float = 30
    ) -> EmailVerificationRequested:
        """The event by which auth asks for a verification mail."""
        secrets = VerificationSecrets(link="https://auth.example/verifications/l1nk?a=1&b=2", code="482913")
        place = EmailVerificationRequested.associated_data(user_id)
        return EmailVerificationRequested(
            user_id=user_id,
            email=email,
            locale=locale,
            requested_at=self.clock(),
            expires_at=self.clock() + minutes * MINUTE,
            secrets=EVENT_KEYRING.seal_text(secrets.model_dump_json(), place),
        )


@dataclass
class UserFeed(AuthFeed):
    """User's feed."""

    source: str = "user"

    def handlers(self) -> Mapping[type[Event], Handler]:
        return user_consumer(self.settings, self.queue, self.clock).handlers()


@pytest.fixture
def user(database: Database, make_settings: MakeSettings, queue: Wakeup, clock: MovableClock) -> UserFeed:
    """User, as far as its feed tells."""
    return UserFeed(database, make_settings(), queue, clock)


@pytest.fixture
def auth(database: Database, make_settings: MakeSettings, queue: Wakeup, clock: MovableClock) -> AuthFeed:
    """Auth, as far as its feed tells."""
    return AuthFeed(database, make_settings(), queue, clock)


Working = Callable[..., Any]


@pytest.fixture
def working(make_settings: MakeSettings, mailbox: Mailbox, clock: MovableClock) -> Working:
    """`async with working():` a worker runs meanwhile, and has finished afterwards."""

    @asynccontextmanager
    async def run(pace: Pace = PACE, smtp_port: int | None = None, sink_url: str | None = None) -> AsyncGenerator[None]:
        stop = asyncio.Event()
        settings = make_settings(
            NOTIFICATION_SMTP_PORT=smtp_port or mailbox.smtp_port,
            NOTIFICATION_SMS_URL=f"{mailbox.url}/sms",
            NOTIFICATION_SINK_URL=sink_url,
        )
        worker = asyncio.create_task(work(settings, stop, clock=clock, pace=pace))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(worker, 10)

    return run


@pytest.fixture
async def provider() -> AsyncGenerator[Provider]:
    """A provider as it behaves, and misbehaves."""
    standing_in = Provider()
    async with await asyncio.start_server(standing_in.serve, "127.0.0.1", 0) as server:
        standing_in.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield standing_in


@pytest.fixture
async def http() -> AsyncGenerator[httpx.AsyncClient]:
    """What drivers ask by."""
    async with new_client(GuardedTransport(local=True)) as client:
        yield client


@pytest.fixture
def message() -> Callable[..., Message]:
    """`message("ada@example.com", text="…")`: one to be sent."""

    def make(
        recipient: str = "ada@example.com", subject: str = "Grüße", text: str = "Guten Tag\n", **other: Any
    ) -> Message:
        fields: dict[str, Any] = {
            "category": Category.ACCOUNT,
            "recipient_name": "Ada",
            "locale": "de",
            "type": "account.welcome",
            "content": Content(subject, text, other.pop("html", None)),
        }
        return Message(id=uuid7(), recipient=recipient, **(fields | other))

    return make


@dataclass
class Served:
    """The service as those see it who ask it, and what Amazon would answer."""

    application: Any
    allowed: set[str] = field(default_factory=set[str])
    """The permissions that everybody has."""
    amazon: dict[str, httpx.Response] = field(default_factory=dict[str, httpx.Response])

    def client(self, user: UUID | None = None) -> httpx.AsyncClient:
        """Somebody who asks."""
        headers = {} if user is None else {"Authorization": f"Bearer {user}"}
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.application), base_url="http://n", headers=headers)

    async def require(self, _: AccessClaims, permission: str) -> None:
        if permission not in self.allowed:
            raise Problem(403, "permission_denied", "Not allowed", permission)

    def outside(self, request: httpx.Request) -> httpx.Response:
        return self.amazon.get(str(request.url), httpx.Response(404))


@pytest.fixture
async def served(make_settings: MakeSettings, clock: MovableClock) -> AsyncGenerator[Served]:
    """The service, which asks nobody else."""
    standing = Served(None)
    application = build(make_settings(), httpx.AsyncClient(transport=httpx.MockTransport(standing.outside)), clock)
    components = application.state.components
    application.state.components = replace(components, authenticate=as_named, require=standing.require)
    standing.application = application
    yield standing
    await components.database.close()


Until = Callable[..., Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """`await until(condition)`: wait for what becomes true; fails when it does not."""

    async def wait(condition: Callable[[], Awaitable[bool]], seconds: float = 8) -> None:
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110 - what is waited for is in the database
                await asyncio.sleep(0.02)

    return wait


OPERATOR = "operator"
Callers = Callable[[object], httpx.AsyncClient]


async def as_named(request: Request) -> AccessClaims:
    """In tests a token is the user's id, or `operator`, or `key:` and the scopes of a service's key, or all claims.

    Who is called `stale:` and his id has proved long ago who he is.
    """
    name = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not name:
        raise unauthenticated("no token")
    stale = name.startswith("stale:")
    name = name.removeprefix("stale:")
    claims: dict[str, Any] = {"sub": name, "client_id": "c", "sid": "s", "auth_time": 1 if stale else 2**31}
    if name == OPERATOR:
        claims = {"sub": name, "client_id": name, "scope": "auth:admin"}
    if name.startswith("key:"):
        claims = {
            "sub": "service:shop",
            "client_id": "orn_shop",
            "sid": str(uuid7()),
            "scope": name.removeprefix("key:"),
        }
    if name.startswith("{"):
        claims = orjson.loads(name)
    return AccessClaims(iss="i", aud="orion", exp=2, iat=1, jti="j", **claims)


@pytest.fixture
async def application(make_settings: MakeSettings, clock: MovableClock) -> AsyncGenerator[FastAPI]:
    """The service, which takes `as_named` for authentication."""
    made = build(make_settings(), client_of_nobody(), clock)
    components = made.state.components
    made.state.components = replace(components, authenticate=as_named)
    yield made
    await components.database.close()


@pytest.fixture
def caller(application: FastAPI) -> Callers:
    """`async with caller(user_id) as http:` asks the service on behalf of somebody; of nobody with None."""

    def of(name: object) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(application)
        headers = {} if name is None else {"Authorization": f"Bearer {name}"}
        return httpx.AsyncClient(transport=transport, base_url="http://n/notifications/v1", headers=headers)

    return of
