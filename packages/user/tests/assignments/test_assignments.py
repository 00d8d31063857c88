"""Giving roles and permissions, and ending it, over HTTP."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest

from orion_core.ids import uuid7
from orion_core.testing import MovableClock

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Caller, Give, PassTime, Query

ASSIGNMENTS, GRANTS = "/user/v1/role-assignments", "/user/v1/permission-grants"
ELEVATIONS = "/user/v1/elevations"

SignIn = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
def sign_in(auth: "AuthFeed", caller: "Caller", give: "Give") -> SignIn:
    """Sign in somebody new who has a role, somewhere."""

    async def run(role: str, scope: str = "GLOBAL", scope_id: UUID | None = None) -> httpx.AsyncClient:
        user_id = await auth.register(f"{uuid7()}@example.com")
        await give(user_id, role, scope, scope_id)
        return caller(user_id, uuid7())

    return run


@pytest.fixture
async def admin(sign_in: SignIn) -> httpx.AsyncClient:
    return await sign_in("admin")


@pytest.fixture
async def bob(auth: "AuthFeed") -> UUID:
    return await auth.register("bob@example.com")


@pytest.fixture
def organization(auth: "AuthFeed", query: "Query") -> Callable[[], Awaitable[UUID]]:
    async def make() -> UUID:
        id_ = uuid7()
        await query(
            "INSERT INTO organizations (id, name, slug, owner_id) VALUES (:id, 'O', :slug, :owner)",
            id=id_, slug=id_.hex, owner=await auth.register(f"{id_}@example.com"),
        )  # fmt: skip
        return id_

    return make


async def role_id(query: "Query", name: str) -> str:
    return str((await query("SELECT id FROM roles WHERE name = :name", name=name))[0][0])


async def test_a_role_is_given_for_a_time_and_ended(
    admin: httpx.AsyncClient, bob: UUID, query: "Query", clock: MovableClock, caller: "Caller", pass_time: "PassTime"
) -> None:
    editor = await role_id(query, "editor")
    body = {
        "user_id": str(bob), "role_id": editor, "reason": "holidays", "condition": "network.address != ''",
        "expires_at": (clock() + timedelta(days=7)).isoformat(),
    }  # fmt: skip
    given = await admin.post(ASSIGNMENTS, json=body)
    assert given.status_code == 201, given.text
    assert (given.json()["role"], given.json()["scope"], given.json()["reason"]) == ("editor", "GLOBAL", "holidays")
    again = await admin.post(ASSIGNMENTS, json=body)
    assert (again.status_code, again.json()["code"]) == (409, "already_given")
    listed = (await admin.get(ASSIGNMENTS, params={"user_id": str(bob)})).json()["items"]
    assert [each["role"] for each in listed] == ["editor", "user"]
    own = (await caller(bob, uuid7()).get(ASSIGNMENTS, params={"user_id": str(bob)})).json()["items"]
    assert own == listed
    having = (await admin.get(ASSIGNMENTS, params={"role_id": editor})).json()["items"]
    assert [each["user_id"] for each in having] == [str(bob)]
    await pass_time(minutes=1)
    url = f"{ASSIGNMENTS}/{given.json()['id']}"
    assert (await admin.delete(url, params={"reason": "back again"})).status_code == 204
    assert (await admin.delete(url)).json()["code"] == "already_ended"
    assert (await admin.get(url)).json()["expires_at"] == clock().isoformat().replace("+00:00", "Z")
    assert (await admin.get(ASSIGNMENTS, params={"role_id": editor})).json()["items"] == []
    history = await admin.get(ASSIGNMENTS, params={"role_id": editor, "include_ended": True})
    assert len(history.json()["items"]) == 1
    told = await query("SELECT type FROM outbox WHERE type LIKE 'orion.user.role.assign%' ORDER BY position")
    assert [row[0] for row in told] == ["orion.user.role.assigned.v1", "orion.user.role.assignment_ended.v1"]
    written = await query("SELECT action FROM audit_logs WHERE resource_type = 'role_assignment' ORDER BY id")
    assert [row[0] for row in written] == ["role.assign", "role.unassign"]


async def test_what_has_not_begun_is_taken_back(
    admin: httpx.AsyncClient, bob: UUID, query: "Query", clock: MovableClock
) -> None:
    body = {
        "user_id": str(bob),
        "role_id": await role_id(query, "editor"),
        "starts_at": (clock() + timedelta(days=1)).isoformat(),
    }
    given = (await admin.post(ASSIGNMENTS, json=body)).json()
    assert (await admin.delete(f"{ASSIGNMENTS}/{given['id']}")).status_code == 204
    assert (await admin.get(f"{ASSIGNMENTS}/{given['id']}")).status_code == 404


async def test_unsound_grants_change_nothing(sign_in: SignIn, bob: UUID, query: "Query", clock: MovableClock) -> None:
    boss, before = await sign_in("super_admin"), None
    before = await query("SELECT count(*) FROM user_roles")
    editor, day = await role_id(query, "editor"), timedelta(days=1)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"expires_at": clock().isoformat()}, "/expires_at"),
        ({"starts_at": (clock() + day).isoformat(), "expires_at": (clock() + day / 2).isoformat()}, "/expires_at"),
        ({"starts_at": (clock() - day).isoformat()}, "/starts_at"),
        ({"expires_at": 5}, "/expires_at"),
        ({"scope": "ORG"}, "/scope_id"),
        ({"scope": "TEAM", "scope_id": str(uuid7())}, "/scope_id"),
        ({"scope_id": str(bob)}, "/scope_id"),
        ({"scope": "ORG", "scope_id": str(bob)}, "/scope_id"),
        ({"condition": "subject.id =="}, "/condition"),
        ({"condition": "no_such_variable"}, "/condition"),
        ({"user_id": str(uuid7())}, "/user_id"),
        ({"role_id": str(uuid7())}, "/role_id"),
        ({"reason": "x" * 501}, "/reason"),
        ({"colour": "red"}, "/colour"),
    ]
    for fields, field in wrong:
        answer = await boss.post(ASSIGNMENTS, json={"user_id": str(bob), "role_id": editor, **fields})
        assert answer.status_code == 422, (fields, answer.text)
        assert [error["field"] for error in answer.json()["errors"]] == [field], fields
    assert await query("SELECT count(*) FROM user_roles") == before


async def test_nobody_gives_what_he_does_not_hold(
    sign_in: SignIn,
    admin: httpx.AsyncClient,
    bob: UUID,
    query: "Query",
    clock: MovableClock,
    auth: "AuthFeed",
    caller: "Caller",
) -> None:
    boss_role, admin_role = await role_id(query, "super_admin"), await role_id(query, "admin")
    refused = await admin.post(ASSIGNMENTS, json={"user_id": str(bob), "role_id": boss_role})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_held")
    assert "permission:grant" in refused.json()["detail"]
    [(tried,)] = await query("SELECT new_values FROM audit_logs WHERE action = 'access.denied'")
    assert (tried["reason"], "permission:grant" in tried["permissions"]) == ("not_held", True)
    # Nor for longer than he holds it himself.
    until = clock() + timedelta(hours=8)
    short = await auth.register("short@example.com")
    boss = await sign_in("super_admin")
    body = {"user_id": str(short), "role_id": admin_role, "expires_at": until.isoformat()}
    assert (await boss.post(ASSIGNMENTS, json=body)).status_code == 201
    for user_id, ends, status in (
        (short, until + timedelta(seconds=1), 403), (bob, None, 403), (bob, until, 201),
    ):  # fmt: skip
        body = {"user_id": str(user_id), "role_id": admin_role}
        body |= {"expires_at": ends.isoformat()} if ends else {"reason": "for good"}
        answer = await caller(short, uuid7()).post(ASSIGNMENTS, json=body)
        assert answer.status_code == status, answer.text
    # Nor what is denied to him, anywhere in the place.
    deny = {"user_id": str(short), "permission": "role:delete", "effect": "DENY"}
    assert (await boss.post(GRANTS, json=deny)).status_code == 201
    carol = await auth.register("carol@example.com")
    body = {"user_id": str(carol), "role_id": admin_role, "expires_at": until.isoformat()}
    answer = await caller(short, uuid7()).post(ASSIGNMENTS, json=body)
    assert (answer.status_code, "role:delete" in answer.json()["detail"]) == (403, True)


async def test_nobody_takes_from_those_above_him(sign_in: SignIn, admin: httpx.AsyncClient, query: "Query") -> None:
    await sign_in("super_admin")
    [(grant_id,)] = await query(
        "SELECT user_roles.id FROM user_roles JOIN roles ON roles.id = role_id WHERE name = 'super_admin'"
    )
    refused = await admin.delete(f"{ASSIGNMENTS}/{grant_id}")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_held")


async def test_in_an_organization_and_no_further(
    sign_in: SignIn, bob: UUID, query: "Query", organization: Callable[[], Awaitable[UUID]]
) -> None:
    mine, other = await organization(), await organization()
    ada, editor = await sign_in("admin", "ORG", mine), await role_id(query, "editor")
    team, foreign = uuid7(), uuid7()
    for id_, owner in ((team, mine), (foreign, other)):
        await query("INSERT INTO teams (id, organization_id, name, slug) VALUES (:id, :o, 'T', 't')", id=id_, o=owner)
    body = {"user_id": str(bob), "role_id": editor}
    for place, status in (
        ({"scope": "ORG", "scope_id": str(mine)}, 201),
        ({"scope": "TEAM", "scope_id": str(team)}, 201),
        ({"scope": "ORG", "scope_id": str(other)}, 403),
        ({"scope": "TEAM", "scope_id": str(foreign)}, 403),
        ({"scope": "USER", "scope_id": str(bob)}, 403),
        ({}, 403),
    ):
        answer = await ada.post(ASSIGNMENTS, json=body | place)
        assert answer.status_code == status, (place, answer.text)
    # A role of an organization is of no other, and nobody's everywhere; by hand neither.
    boss = await sign_in("super_admin")
    new = {"name": "clerk", "display_name": "Clerk", "organization_id": str(mine)}
    clerk = (await boss.post("/user/v1/roles", json=new)).json()["id"]
    for place, status in (
        ({"scope": "ORG", "scope_id": str(other)}, 422),
        ({"scope": "TEAM", "scope_id": str(foreign)}, 422),
        ({}, 422),
        ({"scope": "TEAM", "scope_id": str(team)}, 201),
    ):
        answer = await boss.post(ASSIGNMENTS, json={"user_id": str(bob), "role_id": clerk} | place)
        assert answer.status_code == status, (place, answer.text)


async def test_what_was_given_and_asked_for_in_it_and_in_its_teams_is_listed(
    sign_in: SignIn, bob: UUID, caller: "Caller", query: "Query", organization: Callable[[], Awaitable[UUID]]
) -> None:
    mine, other, team, foreign = await organization(), await organization(), uuid7(), uuid7()
    for id_, owner in ((team, mine), (foreign, other)):
        await query("INSERT INTO teams (id, organization_id, name, slug) VALUES (:id, :o, 'T', 't')", id=id_, o=owner)
    ada, boss = await sign_in("super_admin", "ORG", mine), await sign_in("super_admin")
    editor = await role_id(query, "editor")
    asker = caller(bob, uuid7())
    for scope, scope_id in (("ORG", mine), ("TEAM", team), ("ORG", other), ("TEAM", foreign), ("GLOBAL", None)):
        place = {"scope": scope, "scope_id": None if scope_id is None else str(scope_id)}
        for url, body in ((ASSIGNMENTS, {"role_id": editor}), (GRANTS, {"permission": "content:read"})):
            assert (await boss.post(url, json={"user_id": str(bob)} | place | body)).status_code == 201
        asked = await asker.post(ELEVATIONS, json={"role_id": editor, "minutes": 5, "reason": "x"} | place)
        assert asked.status_code == 201, asked.text
    here = {"organization_id": str(mine)}
    for url, params, expected in (
        (ASSIGNMENTS, {"user_id": str(bob)}, {mine, team}),
        (ASSIGNMENTS, {"role_id": editor}, {mine, team}),
        (ASSIGNMENTS, {}, {mine, team}),
        (GRANTS, {"user_id": str(bob)}, {mine, team}),
        (GRANTS, {"permission": "content:read"}, {mine, team}),
        (GRANTS, {}, {mine, team}),
        (ELEVATIONS, {"mine": "false"}, {mine, team}),
    ):
        answer = await ada.get(url, params=here | params)
        assert answer.status_code == 200, answer.text
        found = [each for each in answer.json()["items"] if each["user_id"] == str(bob)]
        assert {UUID(each["scope_id"]) for each in found} == expected, (url, params)
        for elsewhere in ({"organization_id": str(other)}, {}):
            refused = await ada.get(url, params={"user_id": str(bob)} | params | elsewhere)
            assert refused.status_code in (403, 422), (url, params, elsewhere)
    paged = [await ada.get(GRANTS, params=here | {"limit": 1})]
    paged.append(await ada.get(GRANTS, params=here | {"limit": 1, "cursor": paged[0].json()["next"]}))
    assert [len(page.json()["items"]) for page in paged] == [1, 1]
    assert paged[1].json()["next"] is None
    mixed = await asker.get(ELEVATIONS, params=here)
    assert {each["scope_id"] for each in mixed.json()["items"]} == {str(mine), str(team)}


async def test_a_permission_is_given_no_wider_than_it_may_be(
    sign_in: SignIn, bob: UUID, query: "Query", organization: Callable[[], Awaitable[UUID]]
) -> None:
    boss, mine = await sign_in("super_admin"), await organization()
    await query(
        "INSERT INTO permissions (name, resource, action, scope, category) VALUES ('a:b', 'a', 'b', 'ORG', 'A')"
    )
    super_admin = await role_id(query, "super_admin")
    await query(
        "INSERT INTO role_permissions (role_id, permission_id) SELECT :role, id FROM permissions WHERE name = 'a:b'",
        role=UUID(super_admin),
    )
    body = {"user_id": str(bob), "permission": "a:b"}
    wide = await boss.post(GRANTS, json=body)
    assert (wide.status_code, wide.json()["errors"][0]["code"]) == (422, "too_wide")
    given = await boss.post(GRANTS, json=body | {"scope": "ORG", "scope_id": str(mine)})
    assert given.status_code == 201, given.text
    assert (await boss.post(ASSIGNMENTS, json={"user_id": str(bob), "role_id": super_admin})).status_code == 422


async def test_direct_permissions(
    sign_in: SignIn, bob: UUID, caller: "Caller", clock: MovableClock, query: "Query", pass_time: "PassTime"
) -> None:
    boss, him = await sign_in("super_admin"), caller(bob, uuid7())
    body = {"user_id": str(bob), "permission": "role:create"}
    assert (await him.post("/user/v1/roles", json={"name": "aa", "display_name": "A"})).status_code == 403
    given = await boss.post(GRANTS, json=body)
    assert given.status_code == 201, given.text
    assert (await boss.post(GRANTS, json=body)).json()["code"] == "already_given"
    assert (await him.post("/user/v1/roles", json={"name": "aa", "display_name": "A"})).status_code == 201
    denied = (await boss.post(GRANTS, json=body | {"effect": "DENY"})).json()
    assert (await him.post("/user/v1/roles", json={"name": "bb", "display_name": "B"})).status_code == 403
    mine = (await him.get(GRANTS, params={"user_id": str(bob)})).json()["items"]
    assert [(each["permission"], each["effect"]) for each in mine] == [
        ("role:create", "DENY"),
        ("role:create", "ALLOW"),
    ]
    having = (await boss.get(GRANTS, params={"permission": "role:create"})).json()["items"]
    assert having == mine
    await pass_time(seconds=1)
    assert (await him.delete(f"{GRANTS}/{denied['id']}")).json()["code"] == "permission_denied"
    assert (await boss.delete(f"{GRANTS}/{denied['id']}")).status_code == 204
    assert (await him.post("/user/v1/roles", json={"name": "bb", "display_name": "B"})).status_code == 201
    told = await query("SELECT type FROM outbox WHERE type LIKE 'orion.user.permission.grant%' ORDER BY position")
    assert [row[0].split(".")[3] for row in told] == ["granted", "granted", "grant_ended"]


async def test_whoever_may_not_give_sees_and_changes_nothing(
    caller: "Caller", bob: UUID, auth: "AuthFeed", query: "Query"
) -> None:
    eve, editor = caller(await auth.register("eve@example.com"), uuid7()), await role_id(query, "guest")
    [(grant_id,)] = await query("SELECT id FROM user_roles WHERE user_id = :bob", bob=bob)
    for answer in (
        await eve.get(ASSIGNMENTS, params={"user_id": str(bob)}),
        await eve.get(ASSIGNMENTS, params={"role_id": editor}),
        await eve.get(f"{ASSIGNMENTS}/{grant_id}"),
        await eve.post(ASSIGNMENTS, json={"user_id": str(bob), "role_id": editor}),
        await eve.delete(f"{ASSIGNMENTS}/{grant_id}"),
        await eve.get(GRANTS, params={"user_id": str(bob)}),
        await eve.post(GRANTS, json={"user_id": str(bob), "permission": "content:read"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert (await eve.get(ASSIGNMENTS)).status_code == 422


async def test_whoever_is_an_administrator_for_a_time_can_end_but_lift_no_denial_for_good(
    sign_in: SignIn, auth: "AuthFeed", bob: UUID, caller: "Caller", query: "Query", clock: MovableClock
) -> None:
    boss, short = await sign_in("super_admin"), await auth.register("short@example.com")
    until = (clock() + timedelta(hours=8)).isoformat()
    body = {"user_id": str(short), "role_id": await role_id(query, "super_admin"), "expires_at": until}
    assert (await boss.post(ASSIGNMENTS, json=body)).status_code == 201
    body = {"user_id": str(bob), "role_id": await role_id(query, "editor")}
    given = (await boss.post(ASSIGNMENTS, json=body)).json()["id"]
    denied = (await boss.post(GRANTS, json={"user_id": str(bob), "permission": "role:delete", "effect": "DENY"})).json()
    client = caller(short, uuid7())
    assert (await client.delete(f"{ASSIGNMENTS}/{given}")).status_code == 204
    assert (await client.delete(f"{GRANTS}/{denied['id']}")).json()["code"] == "not_held"
