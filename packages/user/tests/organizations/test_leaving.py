"""What somebody keeps and loses who leaves an organization, and who may take it from him."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from packages.user.tests.organizations.conftest import somebody
from packages.user.tests.organizations.test_organizations import joined
from sqlalchemy import text

from orion_core.database import Database
from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Caller, Give, PassTime, Query

ASSIGNMENTS, GRANTS, ROLES = "/user/v1/role-assignments", "/user/v1/permission-grants", "/user/v1/roles"


async def given(by: httpx.AsyncClient, url: str, **body: Any) -> None:
    answer = await by.post(url, json=body)
    assert answer.status_code == 201, answer.text


async def role(by: httpx.AsyncClient, name: str, **says: str) -> str:
    """The id of a new role that allows or denies actions on content."""
    made = (await by.post(ROLES, json={"name": name, "display_name": name.capitalize()})).json()
    for action, effect in says.items():
        answer = await by.put(f"{ROLES}/{made['id']}/permissions/content:{action}", json={"effect": effect})
        assert answer.status_code == 200, answer.text
    return made["id"]


HOLD = text("SELECT id FROM user_roles WHERE user_id = :user_id FOR UPDATE")
"""What handing over comes to when it has looked at the new owner."""
WAITING = """
    SELECT pid FROM pg_locks
    WHERE NOT granted AND pid IN (
      SELECT held.pid FROM pg_locks AS held JOIN pg_database AS here ON here.oid = held.database
      WHERE here.datname = current_database()
    )
"""
"""`pg_stat_activity` tells a role of the service nothing of others' waits."""
May = Callable[[UUID, str], Awaitable[bool]]


@pytest.fixture
def may(boss: httpx.AsyncClient, acme: str) -> May:
    """`await may(user_id, action)`: whether somebody may do that to content of the organization."""

    async def ask(user_id: UUID, action: str) -> bool:
        resource = {"type": "content", "id": "1", "properties": {"organization_id": acme.rsplit("/", 1)[1]}}
        question = {"subject": {"type": "user", "id": str(user_id)}, "action": {"name": action}, "resource": resource}
        return (await boss.post("/user/v1/access/evaluation", json=question)).json()["decision"]

    return ask


@pytest.fixture
async def grace_id(auth: "AuthFeed", caller: "Caller", give: "Give", ada: httpx.AsyncClient, acme: str) -> UUID:
    """A moderator, and a member."""
    user_id = await somebody(auth, "grace")
    await give(user_id, "moderator")
    await joined(ada, acme, caller(user_id, uuid7()), "grace@example.com")
    return user_id


@pytest.fixture
def grace(grace_id: UUID, caller: "Caller") -> httpx.AsyncClient:
    return caller(grace_id, uuid7())


async def test_whoever_leaves_loses_what_he_was_allowed_there_and_keeps_what_he_was_denied(
    boss: httpx.AsyncClient,
    acme: str,
    ada: httpx.AsyncClient,
    grace_id: UUID,
    grace: httpx.AsyncClient,
    may: May,
    pass_time: "PassTime",
) -> None:
    team = (await ada.post(f"{acme}/teams", json={"name": "T", "slug": "t"})).json()["id"]
    place = {"user_id": str(grace_id), "scope": "ORG", "scope_id": acme.rsplit("/", 1)[1]}
    await given(ada, GRANTS, **place, permission="user:delete")
    await given(ada, GRANTS, user_id=str(grace_id), scope="TEAM", scope_id=team, permission="user:delete")
    await given(boss, GRANTS, **place, permission="content:update", effect="DENY")
    await given(boss, ASSIGNMENTS, **place, role_id=await role(boss, "silenced", delete="DENY"))
    await pass_time(seconds=1)
    before = [await may(grace_id, action) for action in ("read", "update", "delete")]
    assert before == [True, False, False]
    assert (await grace.delete(f"{acme}/members/{grace_id}")).status_code == 204
    assert [await may(grace_id, action) for action in ("read", "update", "delete")] == before
    kept = (await grace.get(GRANTS, params={"user_id": str(grace_id)})).json()["items"]
    assert [(each["permission"], each["effect"]) for each in kept] == [("content:update", "DENY")]


async def test_a_denial_that_comes_with_something_allowed_is_not_lifted_by_leaving(
    boss: httpx.AsyncClient,
    acme: str,
    ada: httpx.AsyncClient,
    grace_id: UUID,
    grace: httpx.AsyncClient,
    may: May,
    pass_time: "PassTime",
) -> None:
    place = {"user_id": str(grace_id), "scope": "ORG", "scope_id": acme.rsplit("/", 1)[1]}
    await given(boss, ASSIGNMENTS, **place, role_id=await role(boss, "intern", create="ALLOW", delete="DENY"))
    await pass_time(seconds=1)
    refused = await grace.delete(f"{acme}/members/{grace_id}")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_held")
    assert not await may(grace_id, "delete")
    assert (await ada.delete(f"{acme}/members/{grace_id}")).status_code == 204, "who holds it may lift it"


async def test_nobody_puts_out_those_above_him(
    boss: httpx.AsyncClient, acme: str, ada: httpx.AsyncClient, auth: "AuthFeed", caller: "Caller", query: "Query"
) -> None:
    organization_id = acme.rsplit("/", 1)[1]
    grace_id, eve_id = await somebody(auth, "grace"), await somebody(auth, "eve")
    grace, eve = caller(grace_id, uuid7()), caller(eve_id, uuid7())
    for member, email in ((grace, "grace@example.com"), (eve, "eve@example.com")):
        await joined(ada, acme, member, email)
    [(admin,)] = await query("SELECT id FROM roles WHERE name = 'super_admin'")
    place = {"scope": "ORG", "scope_id": organization_id}
    await given(ada, ASSIGNMENTS, **place, user_id=str(grace_id), role_id=str(admin))
    await given(ada, GRANTS, **place, user_id=str(eve_id), permission="user:delete")
    refused = await eve.delete(f"{acme}/members/{grace_id}")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_held")
    assert (await grace.get(acme)).status_code == 200
    assert (await grace.delete(f"{acme}/members/{eve_id}")).status_code == 204


async def test_nobody_is_handed_an_organization_while_he_is_forgotten(
    acme: str, ada: httpx.AsyncClient, ada_id: UUID, grace: httpx.AsyncClient, grace_id: UUID, database: Database,
    query: "Query"
) -> None:  # fmt: skip
    """It would be left without an owner, and the erasure with something in its way for good."""
    async with database.transaction() as transaction:
        await transaction.connection.execute(HOLD, {"user_id": ada_id})
        handing = asyncio.create_task(ada.post(f"{acme}/ownership", json={"user_id": str(grace_id)}))
        async with asyncio.timeout(5):
            while not await query(WAITING):  # noqa: ASYNC110 - the other side is a task of its own
                await asyncio.sleep(0.01)
        leaving = asyncio.create_task(grace.post("/user/v1/me/erasure"))
        await asyncio.wait({leaving}, timeout=0.3)
    handed, forgotten = await handing, await leaving
    assert (handed.status_code, handed.json()["owner_id"]) == (200, str(grace_id))
    assert (forgotten.status_code, forgotten.json()["code"]) == (409, "owns_organization")


async def test_an_organization_is_taken_from_its_owner_only_by_who_may_all_of_it_himself(
    boss: httpx.AsyncClient, acme: str, ada: httpx.AsyncClient, auth: "AuthFeed", caller: "Caller"
) -> None:
    eve_id = await somebody(auth, "eve")
    eve = caller(eve_id, uuid7())
    await joined(ada, acme, eve, "eve@example.com")
    await given(boss, GRANTS, user_id=str(eve_id), permission="system:configure")
    refused = await eve.post(f"{acme}/ownership", json={"user_id": str(eve_id)})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_held")
    handed = await boss.post(f"{acme}/ownership", json={"user_id": str(eve_id)})
    assert (handed.status_code, handed.json()["owner_id"]) == (200, str(eve_id))
