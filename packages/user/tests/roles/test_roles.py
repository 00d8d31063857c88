"""Making, changing and deleting roles, over HTTP."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest

from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Caller, Give, Query

ROLES = "/user/v1/roles"
CLERK = {"name": "clerk", "display_name": "Clerk"}

SignIn = Callable[[str], Awaitable[httpx.AsyncClient]]


@pytest.fixture
def sign_in(auth: "AuthFeed", caller: "Caller", give: "Give") -> SignIn:
    """Sign in somebody who has a role everywhere."""

    async def run(role: str) -> httpx.AsyncClient:
        user_id = await auth.register(f"{role}@example.com")
        if role != "user":
            await give(user_id, role)
        return caller(user_id, uuid7())

    return run


@pytest.fixture
async def admin(sign_in: SignIn) -> httpx.AsyncClient:
    return await sign_in("admin")


async def made(client: httpx.AsyncClient, name: str, **more: Any) -> dict[str, Any]:
    answer = await client.post(ROLES, json={"name": name, "display_name": name.title(), **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def role_id(query: "Query", name: str) -> UUID:
    return (await query("SELECT id FROM roles WHERE name = :name", name=name))[0][0]


async def test_a_role_from_its_making_to_its_end(admin: httpx.AsyncClient, query: "Query") -> None:
    created = await admin.post(ROLES, json={**CLERK, "description": "Writes invoices"})
    role = created.json()
    assert (created.status_code, role["type"], role["is_active"], role["parents"]) == (201, "CUSTOM", True, [])
    assert created.headers["Location"] == f"{ROLES}/{role['id']}"
    allowed = await admin.put(f"{ROLES}/{role['id']}/permissions/content:update", json={})
    assert allowed.json()["permissions"] == [{"permission": "content:update", "effect": "ALLOW", "condition": None}]
    url = f"{ROLES}/{role['id']}/permissions/content:update"
    wrong = await admin.put(url, json={"condition": "resource.owner =="})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "/condition")
    parent = await role_id(query, "guest")
    inherits = await admin.put(f"{ROLES}/{role['id']}/parents/{parent}")
    assert [each["name"] for each in inherits.json()["parents"]] == ["guest"]
    says = (await admin.get(f"{ROLES}/{role['id']}/permissions")).json()
    assert [(each["permission"], each["role"]["name"], each["depth"]) for each in says] == [
        ("content:read", "guest", 1),
        ("content:update", "clerk", 0),
    ]
    stale = await admin.patch(f"{ROLES}/{role['id']}", json={"is_active": False}, headers={"If-Match": '"x"'})
    assert stale.status_code == 412
    tag = (await admin.get(f"{ROLES}/{role['id']}")).headers["ETag"]
    changed = await admin.patch(f"{ROLES}/{role['id']}", json={"display_name": "Clerks"}, headers={"If-Match": tag})
    assert (changed.json()["display_name"], changed.json()["description"]) == ("Clerks", "Writes invoices")
    assert (await admin.delete(f"{ROLES}/{role['id']}/parents/{parent}")).status_code == 204
    assert (await admin.delete(f"{ROLES}/{role['id']}/permissions/content:update")).status_code == 204
    assert (await admin.delete(f"{ROLES}/{role['id']}/permissions/content:update")).status_code == 404
    assert (await admin.delete(f"{ROLES}/{role['id']}")).status_code == 204
    assert (await admin.get(f"{ROLES}/{role['id']}")).status_code == 404
    told = [
        row[0]
        for row in await query("SELECT data->>'change' FROM outbox WHERE type LIKE '%role.changed%' ORDER BY position")
    ]
    assert told == [
        "CREATED", "PERMISSION_SET", "PARENT_ADDED", "UPDATED", "PARENT_REMOVED", "PERMISSION_REMOVED", "DELETED",
    ]  # fmt: skip
    written = await query("SELECT action, status::text FROM audit_logs WHERE resource_type = 'role' ORDER BY id")
    assert [row[0] for row in written if row[1] == "SUCCESS"] == [
        "role.create", "role.permission_set", "role.parent_added", "role.update", "role.parent_removed",
        "role.permission_removed", "role.delete",
    ]  # fmt: skip


async def test_roles_that_come_with_orion_stay_as_they_are(sign_in: SignIn, query: "Query") -> None:
    boss, before = await sign_in("super_admin"), await query("SELECT * FROM roles ORDER BY id")
    editor = await role_id(query, "editor")
    tag = (await boss.get(f"{ROLES}/{editor}")).headers["ETag"]
    answers = [
        await boss.patch(f"{ROLES}/{editor}", json={"display_name": "Boss"}, headers={"If-Match": tag}),
        await boss.delete(f"{ROLES}/{editor}"),
        await boss.put(f"{ROLES}/{editor}/permissions/user:read", json={"effect": "DENY"}),
        await boss.delete(f"{ROLES}/{editor}/permissions/content:create"),
        await boss.put(f"{ROLES}/{editor}/parents/{await role_id(query, 'moderator')}"),
        await boss.delete(f"{ROLES}/{editor}/parents/{await role_id(query, 'user')}"),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(409, "system_role")}
    assert await query("SELECT * FROM roles ORDER BY id") == before


async def test_a_circle_is_refused_with_its_names(admin: httpx.AsyncClient) -> None:
    a, b, c = [(await made(admin, name))["id"] for name in ("aa", "bb", "cc")]
    for child, parent in ((b, a), (c, b)):
        assert (await admin.put(f"{ROLES}/{child}/parents/{parent}")).status_code == 200
    refused = await admin.put(f"{ROLES}/{a}/parents/{c}")
    assert (refused.status_code, refused.json()["code"]) == (409, "role_circle")
    assert "aa → cc → bb → aa" in refused.json()["detail"]
    itself = await admin.put(f"{ROLES}/{a}/parents/{a}")
    assert (itself.status_code, itself.json()["code"]) == (409, "role_circle")
    assert (await admin.get(f"{ROLES}/{a}")).json()["parents"] == []


async def test_names_that_look_like_others_are_refused(admin: httpx.AsyncClient, query: "Query") -> None:
    role = f"{ROLES}/{(await made(admin, 'mailer', display_name='Mailer'))['id']}"
    for name, display_name, code in (
        ("mailer", "Another", "name_taken"),
        ("rnailer", "Another", "name_taken"),
        ("another", "MAILER", "name_taken"),
        ("another", "Маilеr", "name_taken"),
        ("another", "Super Аdmin", "invalid_fields"),
        ("adm1n", "Another", "invalid_fields"),
        ("superadmin", "Another", "invalid_fields"),
        ("another", "Super-Admin", "invalid_fields"),
        ("another", "Admin\ufe0f", "invalid_fields"),
        ("Another", "Another", "invalid_fields"),
        ("another", "An\u202eother", "invalid_fields"),
        ("another", "\u3164", "invalid_fields"),
    ):
        answer = await admin.post(ROLES, json={"name": name, "display_name": display_name})
        assert answer.json().get("code") == code, (name, display_name, answer.text)
        faults = [each["field"] for each in answer.json().get("errors", ())]
        assert faults == ([] if code == "name_taken" else ["/display_name" if name == "another" else "/name"])
    assert [role["name"] for role in (await admin.get(ROLES)).json()["items"] if role["type"] == "CUSTOM"] == ["mailer"]
    await query(
        "UPDATE roles SET display_name = 'Super-Admin' WHERE name = 'mailer'"
    )  # as one made before may be called
    for changes, status in (
        ({"display_name": "Super-Admin", "is_active": False}, 200),
        ({"display_name": "Admin."}, 422),
    ):
        match = {"If-Match": (await admin.get(role)).headers["ETag"]}
        assert (await admin.patch(role, json=changes, headers=match)).status_code == status


async def test_nobody_puts_into_a_role_what_he_does_not_hold(sign_in: SignIn, query: "Query") -> None:
    admin, boss = await sign_in("admin"), await sign_in("super_admin")
    role = (await made(admin, "clerk"))["id"]
    for refused in (
        await admin.put(f"{ROLES}/{role}/permissions/permission:grant", json={}),
        await admin.put(f"{ROLES}/{role}/parents/{await role_id(query, 'super_admin')}"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "not_held")
        assert "permission:grant" in refused.json()["detail"]
    assert (await boss.put(f"{ROLES}/{role}/permissions/permission:grant", json={"effect": "DENY"})).status_code == 200
    # Nor does he lift what is denied to him, or awake or delete it.
    tag = (await admin.get(f"{ROLES}/{role}")).headers["ETag"]
    answers = [
        await admin.delete(f"{ROLES}/{role}/permissions/permission:grant"),
        await admin.patch(f"{ROLES}/{role}", json={"is_active": False}, headers={"If-Match": tag}),
        await admin.delete(f"{ROLES}/{role}"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "not_held")] * 3


async def test_roles_of_an_organization(auth: "AuthFeed", caller: "Caller", give: "Give", query: "Query") -> None:
    user_id = await auth.register("ada@example.com")
    mine, other = [uuid7(), uuid7()]
    for organization in (mine, other):
        await query(
            "INSERT INTO organizations (id, name, slug, owner_id) VALUES (:id, 'O', :slug, :owner)",
            id=organization, slug=organization.hex, owner=user_id,
        )  # fmt: skip
    await give(user_id, "admin", "ORG", mine)
    ada = caller(user_id, uuid7())
    role = await made(ada, "clerk", organization_id=str(mine))
    assert (await ada.put(f"{ROLES}/{role['id']}/permissions/content:update", json={})).status_code == 200
    for body in ({**CLERK}, {**CLERK, "organization_id": str(other)}, {**CLERK, "organization_id": str(uuid7())}):
        assert (await ada.post(ROLES, json=body)).json()["code"] == "permission_denied"
    assert [each["name"] for each in (await ada.get(f"{ROLES}?organization_id={mine}")).json()["items"]] == ["clerk"]
    assert (await ada.get(f"{ROLES}?organization_id={other}")).status_code == 403
    boss_id = await auth.register("boss@example.com")
    await give(boss_id, "super_admin")
    boss = caller(boss_id, uuid7())
    foreign, common = await made(boss, "clerk", organization_id=str(other)), await made(boss, "common")
    assert (await boss.put(f"{ROLES}/{foreign['id']}/permissions/system:configure", json={})).status_code == 200
    for client, child in ((boss, role["id"]), (boss, common["id"]), (ada, role["id"])):
        refused = await client.put(f"{ROLES}/{child}/parents/{foreign['id']}")
        assert (refused.status_code, refused.json()["code"]) == (409, "other_organization"), "and not what it says"
    assert (await ada.delete(f"{ROLES}/{role['id']}/parents/{foreign['id']}")).status_code == 404
    assert (await boss.put(f"{ROLES}/{role['id']}/parents/{common['id']}")).status_code == 200
    nowhere = await boss.post(ROLES, json={**CLERK, "organization_id": str(uuid7())})
    assert (nowhere.status_code, nowhere.json()["code"]) == (422, "invalid_fields")


async def test_a_role_that_somebody_had_is_not_deleted(
    admin: httpx.AsyncClient, auth: "AuthFeed", give: "Give", query: "Query"
) -> None:
    role, above, idle = [await made(admin, name) for name in ("clerk", "reader", "idle")]
    for parent in (above, idle):
        said = await admin.put(f"{ROLES}/{parent['id']}/permissions/content:read", json={})
        assert said.status_code == 200
    assert (await admin.put(f"{ROLES}/{role['id']}/parents/{above['id']}")).status_code == 200
    await give(await auth.register("bob@example.com"), "clerk")
    assert (await admin.delete(f"{ROLES}/{role['id']}/parents/{above['id']}")).status_code == 204
    for kept in (role, above):  # what came from the one above would be gone from the past
        refused = await admin.delete(f"{ROLES}/{kept['id']}")
        assert (refused.status_code, refused.json()["code"]) == (409, "role_in_use")
    assert (await admin.delete(f"{ROLES}/{idle['id']}")).status_code == 204
    assert await query("SELECT count(*) FROM roles WHERE name IN ('clerk', 'reader', 'idle')") == [(2,)]


async def test_whoever_only_reads_changes_nothing(sign_in: SignIn, query: "Query") -> None:
    user, guest = await sign_in("user"), await role_id(query, "guest")
    assert (await user.get(f"{ROLES}?limit=2")).json()["next"]
    assert (await user.get(f"{ROLES}/{guest}")).status_code == 200
    for answer in (
        await user.post(ROLES, json=CLERK),
        await user.patch(f"{ROLES}/{guest}", json={}, headers={"If-Match": "*"}),
        await user.delete(f"{ROLES}/{guest}"),
        await user.put(f"{ROLES}/{guest}/permissions/user:read", json={}),
        await user.delete(f"{ROLES}/{guest}/permissions/content:read"),
        await user.put(f"{ROLES}/{guest}/parents/{guest}"),
        await user.delete(f"{ROLES}/{guest}/parents/{guest}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
