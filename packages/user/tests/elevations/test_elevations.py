"""A role for a time: asked for, approved by another, over by itself."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy.exc import IntegrityError

from orion_core.database import Database
from orion_core.events.feed import Feed
from orion_core.events.outbox import Outbox
from orion_core.ids import uuid7
from orion_core.testing import MovableClock, TestDatabase
from orion_core.wakeup import Wakeup
from orion_user.elevations.ending import end_due

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Caller, Give, PassTime, Query

ELEVATIONS, ROLES = "/user/v1/elevations", "/user/v1/roles"


@pytest.fixture
async def boss_id(auth: "AuthFeed", give: "Give") -> UUID:
    user_id = await auth.register("boss@example.com")
    await give(user_id, "super_admin")
    return user_id


@pytest.fixture
def boss(boss_id: UUID, caller: "Caller") -> httpx.AsyncClient:
    return caller(boss_id, uuid7())


@pytest.fixture
async def bob_id(auth: "AuthFeed") -> UUID:
    return await auth.register("bob@example.com")


@pytest.fixture
def bob(bob_id: UUID, caller: "Caller") -> httpx.AsyncClient:
    return caller(bob_id, uuid7())


@pytest.fixture
async def wish(query: "Query") -> dict[str, Any]:
    [(role_id,)] = await query("SELECT id FROM roles WHERE name = 'moderator'")
    return {"role_id": str(role_id), "minutes": 30, "reason": "INC-7"}


async def may(client: httpx.AsyncClient, permission: str) -> bool:
    held = (await client.get("/user/v1/me")).json()["permissions"]
    return permission in [each["name"] for each in held]


async def changes(query: "Query") -> list[str]:
    told = await query("SELECT data->>'change' FROM outbox WHERE type LIKE '%elevation%' ORDER BY position")
    return [row[0] for row in told]


@pytest.fixture
def outbox(database: Database, test_database: TestDatabase) -> Outbox:
    return Outbox(Feed(database, Wakeup(test_database.url, "outbox"), source="user"))


async def test_from_the_request_to_the_end(
    boss: httpx.AsyncClient, boss_id: UUID, bob: httpx.AsyncClient, wish: dict[str, Any], clock: MovableClock,
    database: Database, outbox: Outbox, query: "Query", pass_time: "PassTime"
) -> None:  # fmt: skip
    asked = await bob.post(ELEVATIONS, json=wish)
    assert (asked.status_code, asked.json()["status"]) == (201, "PENDING")
    assert (await bob.post(ELEVATIONS, json=wish)).json()["code"] == "already_requested"
    url = f"{ELEVATIONS}/{asked.json()['id']}"
    waiting = await boss.get(ELEVATIONS, params={"mine": False, "status": "PENDING"})
    assert [each["reason"] for each in waiting.json()["items"]] == ["INC-7"]
    assert not await may(bob, "user:suspend")
    approved = await boss.post(f"{url}/approval", json={"reason": "go on"})
    assert approved.status_code == 200, approved.text
    assert (approved.json()["status"], approved.json()["decided_by"]) == ("APPROVED", str(boss_id))
    assert await may(bob, "user:suspend")
    assert (await boss.post(f"{url}/denial")).json()["code"] == "already_decided"
    await pass_time(minutes=29, seconds=59)
    assert await may(bob, "user:suspend")
    assert await end_due(database, outbox, clock) == 0
    await pass_time(seconds=1)
    assert not await may(bob, "user:suspend")  # at that moment, and without anybody's doing
    assert await end_due(database, outbox, clock) == 1
    assert await end_due(database, outbox, clock) == 0
    assert (await bob.get(url)).json()["status"] == "ENDED"
    assert await changes(query) == ["REQUESTED", "APPROVED", "ENDED"]
    written = await query(
        "SELECT action, actor_type::text FROM audit_logs WHERE resource_type = 'elevation' ORDER BY id"
    )
    assert [tuple(row) for row in written] == [
        ("elevation.requested", "USER"), ("elevation.approved", "USER"), ("elevation.ended", "SYSTEM"),
    ]  # fmt: skip


async def test_nobody_approves_his_own(
    boss: httpx.AsyncClient, boss_id: UUID, wish: dict[str, Any], query: "Query"
) -> None:
    url = f"{ELEVATIONS}/{(await boss.post(ELEVATIONS, json=wish)).json()['id']}"
    for decision in ("approval", "denial"):
        refused = await boss.post(f"{url}/{decision}", json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "own_request")
    [(whose, tried)] = await query("SELECT user_id, new_values FROM audit_logs WHERE action = 'access.denied'")
    assert (whose, tried["reason"], url.endswith(tried["elevation_id"])) == (boss_id, "own_request", True)
    with pytest.raises(IntegrityError, match="decided_by"):
        await query("UPDATE elevations SET status = 'DENIED', decided_at = now(), decided_by = user_id")


async def test_nobody_approves_what_he_does_not_hold_until_then(
    boss: httpx.AsyncClient, bob: httpx.AsyncClient, auth: "AuthFeed", caller: "Caller", give: "Give", query: "Query",
    wish: dict[str, Any], clock: MovableClock,
) -> None:  # fmt: skip
    admin_id, eve_id = await auth.register("admin@example.com"), await auth.register("eve@example.com")
    await give(admin_id, "admin")
    admin, eve = caller(admin_id, uuid7()), caller(eve_id, uuid7())
    [(role_id,)] = await query("SELECT id FROM roles WHERE name = 'super_admin'")
    url = f"{ELEVATIONS}/{(await bob.post(ELEVATIONS, json=wish | {'role_id': str(role_id)})).json()['id']}"
    assert (await admin.post(f"{url}/approval", json={})).json()["code"] == "not_held"
    assert [(await eve.get(url)).status_code, (await eve.post(f"{url}/approval", json={})).status_code] == [403, 403]
    assert (await eve.get(ELEVATIONS, params={"mine": False})).status_code == 403
    await query(
        "UPDATE user_roles SET expires_at = :at WHERE user_id = :id", at=clock() + timedelta(minutes=20), id=admin_id
    )
    url = f"{ELEVATIONS}/{(await bob.post(ELEVATIONS, json=wish)).json()['id']}"
    assert (await admin.post(f"{url}/approval", json={})).json()["code"] == "not_held"
    assert (await boss.post(f"{url}/approval", json={})).status_code == 200


async def test_nothing_is_given_for_what_is_gone_by_then(
    boss: httpx.AsyncClient, bob: httpx.AsyncClient, bob_id: UUID, wish: dict[str, Any], query: "Query"
) -> None:
    """Who asked has been deleted, or that for which he asked; a restored one would have what nobody meant him to."""
    made = await boss.post("/user/v1/organizations", json={"name": "O", "slug": "o"})
    organization = f"/user/v1/organizations/{made.json()['id']}"
    team = (await boss.post(f"{organization}/teams", json={"name": "T", "slug": "t"})).json()["id"]
    here = {"scope": "TEAM", "scope_id": team}
    [(role_id,)] = await query("SELECT id FROM roles WHERE name = 'editor'")
    in_it = (await bob.post(ELEVATIONS, json=wish | here | {"role_id": str(role_id)})).json()["id"]
    elsewhere = (await bob.post(ELEVATIONS, json=wish)).json()["id"]
    assert (await boss.delete(organization)).status_code == 204
    refused = await boss.post(f"{ELEVATIONS}/{in_it}/approval", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "already_gone"), refused.text
    refused = await boss.post(
        "/user/v1/role-assignments", json=here | {"user_id": str(bob_id), "role_id": str(role_id)}
    )
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "/scope_id"), "nor in another way"
    await query("UPDATE users SET status = 'DELETED', deleted_at = now() WHERE id = :id", id=bob_id)
    refused = await boss.post(f"{ELEVATIONS}/{elsewhere}/approval", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "already_gone"), refused.text
    assert await query("SELECT id FROM user_roles WHERE user_id = :id AND reason = 'INC-7'", id=bob_id) == []
    assert (await boss.post(f"{ELEVATIONS}/{elsewhere}/denial", json={})).status_code == 200


async def test_a_request_lapses(
    boss: httpx.AsyncClient, bob: httpx.AsyncClient, wish: dict[str, Any], clock: MovableClock, database: Database,
    outbox: Outbox, query: "Query", pass_time: "PassTime"
) -> None:  # fmt: skip
    url = f"{ELEVATIONS}/{(await bob.post(ELEVATIONS, json=wish)).json()['id']}"
    await pass_time(days=1)
    assert (await boss.post(f"{url}/approval", json={})).json()["code"] == "already_decided"
    assert await end_due(database, outbox, clock) == 1
    assert (await bob.get(url)).json()["status"] == "LAPSED"
    assert (await bob.post(ELEVATIONS, json=wish)).status_code == 201
    assert await changes(query) == ["REQUESTED", "LAPSED", "REQUESTED"]


async def test_taken_back_and_ended_early(
    boss: httpx.AsyncClient, bob: httpx.AsyncClient, wish: dict[str, Any], clock: MovableClock, query: "Query",
    database: Database, outbox: Outbox, pass_time: "PassTime", auth: "AuthFeed", caller: "Caller",
) -> None:  # fmt: skip
    eve_id = await auth.register("eve@example.com")
    await boss.post("/user/v1/permission-grants", json={"user_id": str(eve_id), "permission": "role:assign"})
    url = f"{ELEVATIONS}/{(await bob.post(ELEVATIONS, json=wish)).json()['id']}"
    assert (await bob.delete(url)).status_code == 204
    assert (await bob.delete(url)).json()["code"] == "already_decided"
    url = f"{ELEVATIONS}/{(await bob.post(ELEVATIONS, json=wish)).json()['id']}"
    assert (await boss.post(f"{url}/approval", json={})).status_code == 200
    await pass_time(minutes=1)
    assert (await caller(eve_id, uuid7()).delete(url)).json()["code"] == "not_held", (
        "nobody takes what he does not hold"
    )
    assert await may(bob, "user:suspend")
    assert (await bob.delete(url)).status_code == 204
    assert not await may(bob, "user:suspend")
    # An administrator ends the assignment itself: the elevation is over too.
    url = f"{ELEVATIONS}/{(await bob.post(ELEVATIONS, json=wish)).json()['id']}"
    given = (await boss.post(f"{url}/approval", json={})).json()["user_role_id"]
    await pass_time(minutes=1)
    assert (await boss.delete(f"/user/v1/role-assignments/{given}")).status_code == 204
    assert await end_due(database, outbox, clock) == 1
    assert (await bob.get(url)).json()["status"] == "ENDED"
    assert await changes(query) == ["REQUESTED", "CANCELLED", *["REQUESTED", "APPROVED", "ENDED"] * 2]


async def test_an_elevation_into_duties_that_are_to_be_separate(
    boss: httpx.AsyncClient, bob: httpx.AsyncClient, bob_id: UUID, wish: dict[str, Any], give: "Give", query: "Query"
) -> None:
    payer = (await boss.post(ROLES, json={"name": "payer", "display_name": "Payer"})).json()["id"]
    rule = {"name": "r", "kind": "DYNAMIC", "role_ids": [payer, wish["role_id"]]}
    assert (await boss.post("/user/v1/separation-rules", json=rule)).status_code == 201
    await give(bob_id, "payer")
    url = f"{ELEVATIONS}/{(await bob.post(ELEVATIONS, json=wish)).json()['id']}"
    refused = await boss.post(f"{url}/approval", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "separation_of_duty")
    assert (await bob.get(url)).json()["status"] == "PENDING"


@pytest.mark.parametrize(
    "fields",
    [{"minutes": 0}, {"minutes": 1441}, {"reason": ""}, {"role_id": str(uuid7())}, {"scope": "ORG"},
     {"scope": "ORG", "scope_id": str(uuid7())}],
)  # fmt: skip
async def test_bad_requests(bob: httpx.AsyncClient, wish: dict[str, Any], fields: dict[str, Any]) -> None:
    assert (await bob.post(ELEVATIONS, json=wish | fields)).status_code == 422
