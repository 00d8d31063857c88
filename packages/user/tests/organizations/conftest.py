"""An organization that Ada owns."""

from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest

from orion_contracts.events import EmailVerified
from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Caller, Give

ORGANIZATIONS, TEAMS, MINE = "/user/v1/organizations", "/user/v1/teams", "/user/v1/me/invitations"


@pytest.fixture
async def boss(auth: "AuthFeed", caller: "Caller", give: "Give") -> httpx.AsyncClient:
    user_id = await auth.register("boss@example.com")
    await give(user_id, "super_admin")
    return caller(user_id, uuid7())


async def somebody(auth: "AuthFeed", name: str) -> UUID:
    """A user who has verified his address."""
    email = f"{name}@example.com"
    user_id = await auth.register(email)
    await auth.bring(EmailVerified(user_id=user_id, email=email, verified_at=auth.clock()))
    return user_id


@pytest.fixture
async def ada_id(auth: "AuthFeed") -> UUID:
    return await somebody(auth, "ada")


@pytest.fixture
def ada(ada_id: UUID, caller: "Caller") -> httpx.AsyncClient:
    return caller(ada_id, uuid7())


@pytest.fixture
async def acme(boss: httpx.AsyncClient, ada_id: UUID) -> str:
    """An organization that Ada owns."""
    made = await boss.post(ORGANIZATIONS, json={"name": "Acme", "slug": "acme", "owner_id": str(ada_id)})
    assert made.status_code == 201, made.text
    return f"{ORGANIZATIONS}/{made.json()['id']}"
