"""What the tests of auth share: a running application on a database of its own, and what it would have mailed."""

from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from orion_auth.app import build
from orion_auth.settings import AuthSettings
from orion_contracts.account_messages import AccountMessageRequested, MessageSecrets, Purpose
from orion_contracts.events import EmailVerificationRequested, VerificationSecrets
from orion_core.database import Database
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock, TestDatabase, UserRights

PASSWORD = "correct horse battery staple"
SERVICE_KEY = "key-of-the-user-service"
EVENT_KEYS = f"e1:{b64encode(b'e' * 32).decode()}"


@dataclass
class Auth:
    """A running auth: a client for it, and a look into its database as the owner."""

    password: ClassVar[str] = PASSWORD
    service_key: ClassVar[str] = SERVICE_KEY
    application: FastAPI
    http: httpx.AsyncClient
    owner: Database
    database: TestDatabase
    clock: MovableClock
    rights: UserRights

    async def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        """What a query of the owner's finds."""
        async with self.owner.autocommit() as connection:
            return [dict(row) for row in (await connection.execute(text(query), values)).mappings()]

    async def changes(self, action: str) -> list[tuple[Any, Any]]:
        """What the audit trail is told of such changes: the fields before and after."""
        query = "SELECT data->'old' AS old, data->'new' AS new FROM outbox WHERE data->>'action' = :action"
        rows = await self.rows(f"{query} AND type LIKE '%.audit.recorded.v1' ORDER BY sequence", action=action)
        return [(row["old"], row["new"]) for row in rows]

    async def counts(self) -> dict[str, int]:
        """How many rows the tables have that the thread writes."""
        tables = ("identities", "auth_tokens", "two_factor_challenges", "outbox", "session_blacklist")
        return {table: (await self.rows(f"SELECT count(*) FROM {table}"))[0]["count"] for table in tables}

    async def execute(self, statement: str, **values: Any) -> None:
        """Change something as the owner."""
        async with self.owner.autocommit() as connection:
            await connection.execute(text(statement), values)

    async def register(self, email: str = "ada@example.com", **fields: Any) -> httpx.Response:
        """Register as a client would."""
        return await self.http.post("/auth/v1/identities", json={"email": email, "password": PASSWORD} | fields)

    async def mailed(self, email: str = "ada@example.com") -> VerificationSecrets:
        """The secrets of the last verification mail to an address."""
        query = "SELECT data FROM outbox WHERE type = :type AND data->>'email' = :email ORDER BY sequence DESC LIMIT 1"
        [row] = await self.rows(query, type=EmailVerificationRequested.type, email=email)
        event = EmailVerificationRequested.read(row["data"])
        associated = EmailVerificationRequested.associated_data(event.user_id)
        return VerificationSecrets.model_validate_json(Keyring.parse(EVENT_KEYS).open_text(event.secrets, associated))

    async def sent(self, purpose: Purpose) -> list[MessageSecrets]:
        """The secrets of all messages of that purpose, the newest first."""
        query = "SELECT data FROM outbox WHERE type = :type AND data->>'purpose' = :purpose ORDER BY sequence DESC"
        rows = await self.rows(query, type=AccountMessageRequested.type, purpose=purpose)
        events, keyring = [AccountMessageRequested.read(row["data"]) for row in rows], Keyring.parse(EVENT_KEYS)
        texts = [keyring.open_text(event.secrets, event.associated_data()) for event in events]
        return [MessageSecrets.model_validate_json(text) for text in texts]

    async def verified(self, email: str = "ada@example.com", **fields: Any) -> UUID:
        """A user who has registered and verified the address."""
        assert (await self.register(email, **fields)).status_code == 202
        link = (await self.mailed(email)).link
        assert (await self.http.post(f"{link}/confirmation")).status_code == 204
        [row] = await self.rows("SELECT id FROM identities WHERE email = :email", email=email)
        return row["id"]

    async def sign_in(self, email: str = "ada@example.com", password: str = PASSWORD) -> httpx.Response:
        """Sign in as a client would."""
        return await self.http.post("/auth/v1/sessions", json={"email": email, "password": password})

    async def refresh(self, refresh_token: str) -> httpx.Response:
        """Use a refresh token."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return await self.http.post("/auth/oauth2/token", data=form)

    def as_bearer(self, token: str) -> dict[str, str]:
        """The header that carries an access token."""
        return {"Authorization": f"Bearer {token}"}

    async def operator_token(self) -> str:
        """An access token with which accounts may be administered."""
        answer = await self.http.post(
            "/auth/oauth2/token", data={"grant_type": "client_credentials"}, auth=("operator", SERVICE_KEY)
        )
        return answer.json()["access_token"]

    async def service_token(self) -> str:
        """An access token of the user service."""
        answer = await self.http.post(
            "/auth/oauth2/token", data={"grant_type": "client_credentials"}, auth=("user", SERVICE_KEY)
        )
        return answer.json()["access_token"]


def auth_environment(database: TestDatabase) -> dict[str, Any]:
    """What a test tells auth, by the names of the variables."""
    return {
        "ORION_ENV": "test",
        "AUTH_DATABASE_URL": database.url,
        "AUTH_SEALING_KEYS": f"s1:{b64encode(b's' * 32).decode()}",
        "EVENT_SEALING_KEYS": EVENT_KEYS,
        "AUTH_SERVICE_KEY_HASHES": {name: sha256(SERVICE_KEY.encode()).hexdigest() for name in ("user", "operator")},
        "AUTH_PUBLIC_URL": "http://auth.test",
        "AUTH_SIGN_IN_URL": "http://app.test/sign-in",
        "AUTH_PASSKEY_DOMAIN": "example.com",
        "AUTH_PASSKEY_ORIGINS": "https://app.example.com,https://example.com",
        "AUTH_RETURN_URLS": "https://app.example.com/signed-in",
        "AUTH_HASHING_THREADS": 2,
        "AUTH_HASHING_PATIENCE_MS": 60_000,  # a busy machine is no reason to fail; the lane has tests of its own
    }


def auth_settings(database: TestDatabase, **changes: Any) -> AuthSettings:
    """Settings as a test needs them, whatever the environment says."""
    return AuthSettings.model_validate(auth_environment(database) | changes)


@asynccontextmanager
async def running(
    database: TestDatabase,
    clock: MovableClock,
    *,
    to_user: httpx.AsyncClient | None = None,
    **changes: Any,
) -> AsyncGenerator[Auth]:
    """Auth on this database, as one process, with what changes of its settings."""
    rights = UserRights()
    application = build(auth_settings(database, **changes), clock, to_user or rights.client())
    owner = Database.connect(database.owner_url, role=None, application="test", pool_size=4)
    transport = httpx.ASGITransport(application, client=("192.0.2.1", 1234), raise_app_exceptions=False)
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(transport=transport, base_url="http://auth.test") as http,
    ):
        yield Auth(application, http, owner, database, clock, rights)
    await owner.close()


@pytest.fixture
async def auth(
    make_seeded_database: Callable[[str], Awaitable[TestDatabase]], clock: MovableClock
) -> AsyncGenerator[Auth]:
    """Auth with its reference rows."""
    async with running(await make_seeded_database("auth"), clock) as started:
        yield started


@pytest.fixture
async def another_auth(auth: Auth) -> AsyncGenerator[Auth]:
    """A second process on the same database."""
    async with running(auth.database, auth.clock) as started:
        yield started


@pytest.fixture
async def impatient_auth(
    make_seeded_database: Callable[[str], Awaitable[TestDatabase]], clock: MovableClock
) -> AsyncGenerator[Auth]:
    """Auth that hashes one password at a time and lets nobody wait for long."""
    database = await make_seeded_database("auth")
    async with running(database, clock, AUTH_HASHING_THREADS=1, AUTH_HASHING_PATIENCE_MS=1500) as started:
        yield started
