"""The service over ASGI with whoever the test says as its caller, and grants for it to decide by."""

import base64
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_core.ids import uuid7
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock, TestDatabase
from orion_user.app import build
from orion_user.settings import UserSettings

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query


async def _claims(request: Request) -> AccessClaims:
    """Who the test says; that tokens are verified is tested elsewhere."""
    return AccessClaims.model_validate_json(base64.b64decode(request.headers["authorization"].partition(" ")[2]))


def bearer(subject: object, **more: Any) -> dict[str, str]:
    values = {"iss": "a", "aud": "orion", "sub": str(subject), "client_id": "orion", "exp": 2, "iat": 1, "jti": "j"}
    claims = AccessClaims.model_validate({**values, "sid": str(uuid7()), "auth_time": 2**31, **more})
    return {"Authorization": f"Bearer {base64.b64encode(claims.model_dump_json().encode()).decode()}"}


@pytest.fixture
async def application(test_database: TestDatabase, clock: MovableClock) -> AsyncGenerator[FastAPI]:
    values = {
        "USER_DATABASE_URL": test_database.url,
        "USER_SEALING_KEYS": f"k1:{base64.b64encode(os.urandom(32)).decode()}",
        "USER_EVENT_SEALING_KEYS": Keyring.example(),
        "USER_SERVICE_KEY": "key",
        "AUTH_URL": "http://auth",
        "AUTH_ISSUER": "http://auth",
    }
    application = build(UserSettings.model_validate(values), httpx.AsyncClient(), clock)
    components = application.state.components
    application.state.components = replace(components, authenticate=_claims)
    yield application
    await components.database.close()


@pytest.fixture
async def http(application: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://user") as client:
        yield client


Answer = dict[str, Any]


@dataclass(frozen=True)
class Asker:
    """Asks as one user, about one subject unless another is named."""

    http: httpx.AsyncClient
    user_id: UUID

    async def post(self, path: str, body: Answer, at: str | None = None) -> httpx.Response:
        url, parameters = f"/user/v1/access/{path}", {} if at is None else {"at": at}
        return await self.http.post(url, json=body, params=parameters, headers=bearer(self.user_id))

    def question(
        self, action: str, resource: str, id_: object = "1", subject: UUID | None = None, **more: Any
    ) -> Answer:
        properties = more.pop("properties", {})
        return {
            "subject": {"type": "user", "id": str(subject or self.user_id)},
            "action": {"name": action},
            "resource": {"type": resource, "id": str(id_), "properties": properties},
            **more,
        }

    async def may(self, action: str, resource: str, id_: object = "1", at: str | None = None, **more: Any) -> bool:
        answer = await self.post("evaluation", self.question(action, resource, id_, **more), at)
        assert answer.status_code == 200, answer.text
        return answer.json()["decision"]

    async def explain(
        self, action: str, resource: str, id_: object = "1", at: str | None = None, **more: Any
    ) -> Answer:
        answer = await self.post("explanation", self.question(action, resource, id_, **more), at)
        assert answer.status_code == 200, answer.text
        return answer.json()


AskAs = Callable[[str], Awaitable[Asker]]


@pytest.fixture
def ask_as(auth: "AuthFeed", http: httpx.AsyncClient, query: "Query") -> AskAs:
    """`await ask_as("ada@example.com")`: a new user who asks, also about others."""

    async def register(email: str) -> Asker:
        user_id = await auth.register(email)
        since = datetime(2020, 1, 1, tzinfo=UTC)
        await query(GIVE_PERMISSION, **WIDE, user_id=user_id, effect="ALLOW", name="access:read", starts_at=since)
        return Asker(http, user_id)

    return register


Bearer = Callable[..., dict[str, str]]


@pytest.fixture(name="bearer")
def bearer_of() -> Bearer:
    """`bearer(subject, **claims)`: the header of a caller."""
    return bearer


GIVE = """
    INSERT INTO {table} (user_id, {what}_id, scope, scope_id, condition, starts_at, expires_at, assigned_by {more})
    SELECT :user_id, id, CAST(:scope AS permission_scope), :scope_id, :condition, :starts_at, :expires_at, :assigned_by
      {values}
    FROM {what}s WHERE name = :name
"""
GIVE_ROLE = GIVE.format(table="user_roles", what="role", more="", values="")
EFFECT = {"more": ", effect", "values": ", CAST(:effect AS permission_effect)"}
GIVE_PERMISSION = GIVE.format(table="user_permissions", what="permission", **EFFECT)
WIDE = {"scope": "GLOBAL", "scope_id": None, "condition": None, "expires_at": None, "assigned_by": None}
PLACE = "INSERT INTO organizations (id, name, slug, owner_id) VALUES (:id, 'O', :slug, :owner)"
TEAM = "INSERT INTO teams (id, organization_id, parent_team_id, name, slug) VALUES (:id, :o, :parent, 'T', :slug)"


@dataclass(frozen=True)
class Giver:
    """Gives roles and permissions, and makes the places for them."""

    query: "Query"

    async def role(self, user_id: UUID, role: str, at: datetime, **more: object) -> None:
        await self.query(GIVE_ROLE, **{**WIDE, "user_id": user_id, "name": role, "starts_at": at, **more})

    async def permission(self, user_id: UUID, permission: str, at: datetime, **more: object) -> None:
        values = {**WIDE, "effect": "ALLOW", "user_id": user_id, "name": permission, "starts_at": at}
        await self.query(GIVE_PERMISSION, **{**values, **more})

    async def organization(self, owner_id: UUID) -> UUID:
        await self.query(PLACE, id=(id_ := uuid7()), slug=id_.hex, owner=owner_id)
        return id_

    async def team(self, organization_id: UUID, parent: UUID | None = None) -> UUID:
        await self.query(TEAM, id=(id_ := uuid7()), o=organization_id, parent=parent, slug=id_.hex)
        return id_


@pytest.fixture
def giver(query: "Query") -> Giver:
    return Giver(query)
