"""A seeded database of user, and auth's feed as a list of events that a test hands over."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from orion_contracts.cloud_event import CloudEvent
from orion_contracts.event import Event
from orion_contracts.events import IdentityRegistered
from orion_core.database import Database
from orion_core.events.client import FeedClient
from orion_core.events.feed import Feed
from orion_core.events.follow import Follower
from orion_core.events.outbox import Outbox
from orion_core.ids import uuid7
from orion_core.service_token import ServiceTokens
from orion_core.testing import MovableClock, TestDatabase
from orion_core.wakeup import Wakeup
from orion_user.events import handlers
from orion_user.service import service


@pytest.fixture
async def test_database(make_database: Callable[[str], Awaitable[TestDatabase]]) -> TestDatabase:
    """A migrated database with its reference rows."""
    made = await make_database("user")
    owner = Database.connect(made.owner_url, role=service.owner_role, application="test seed")
    async with owner.transaction() as transaction:
        await service.seed(transaction.connection, "reference")
    await owner.close()
    return made


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
        http = httpx.AsyncClient()
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
