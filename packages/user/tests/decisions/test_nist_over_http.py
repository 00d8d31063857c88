"""The functions of NIST RBAC (ANSI INCITS 359-2012) over HTTP, each by its name there: what a client of user can do.

A session is a token: all roles of its user are active in it, unless its scope names less. AddActiveRole is to ask for a
role for a time and have it approved, which dynamic separation of duty limits; DropActiveRole gives it back. A user is
added by an import (others come by themselves, through auth). `test_nist.py` looks at the same rules in the tables.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest

from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.user.tests.conftest import People, Query, Sign

V1 = "/user/v1"

FUNCTIONS = {
    "core": {
        "administrative": "AddUser DeleteUser AddRole DeleteRole AssignUser DeassignUser GrantPermission"
        " RevokePermission",
        "supporting": "CreateSession DeleteSession AddActiveRole DropActiveRole CheckAccess",
        "review": "AssignedUsers AssignedRoles RolePermissions UserPermissions SessionRoles SessionPermissions"
        " RoleOperationsOnObject UserOperationsOnObject",
    },
    "hierarchical": {
        "administrative": "AddInheritance DeleteInheritance AddAscendant AddDescendant",
        "review": "AuthorizedUsers AuthorizedRoles",
    },
    "static separation of duty": {
        "administrative": "CreateSsdSet AddSsdRoleMember DeleteSsdRoleMember DeleteSsdSet SetSsdSetCardinality",
        "review": "SsdRoleSets SsdRoleSetRoles SsdRoleSetCardinality",
    },
    "dynamic separation of duty": {
        "administrative": "CreateDsdSet AddDsdRoleMember DeleteDsdRoleMember DeleteDsdSet SetDsdSetCardinality",
        "review": "DsdRoleSets DsdRoleSetRoles DsdRoleSetCardinality",
    },
}
"""By component and kind. The supporting functions are those of core in all components: sessions stay what they are."""


class Rbac:
    """The functions, as whoever administers calls them."""

    def __init__(self, people: "People", boss: httpx.AsyncClient) -> None:
        self.people = people
        self.boss = boss
        self.roles: dict[str, str] = {}

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        answer = await self.boss.request(method, f"{V1}{path}", json=body, headers={"If-Match": "*"}, **more)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    async def refused(self, method: str, path: str, body: Any = None) -> str:
        answer = await self.boss.request(method, f"{V1}{path}", json=body, headers={"If-Match": "*"})
        assert answer.status_code == 409, answer.text
        return answer.json()["code"]

    async def user(self, name: str = "ada") -> UUID:
        """Somebody without any role."""
        user_id = await self.people.add(f"{name}@example.com")
        await self.people.query("DELETE FROM user_roles WHERE user_id = :id", id=user_id)
        return user_id

    async def add_role(self, name: str) -> str:
        made = await self.call("POST", "/roles", {"name": name, "display_name": f"The {name}"})
        self.roles[name] = made["id"]
        return made["id"]

    async def grant(self, role: str, permission: str) -> None:
        await self.call("PUT", f"/roles/{self.roles[role]}/permissions/{permission}", {})

    async def inherit(self, senior: str, junior: str) -> None:
        await self.call("PUT", f"/roles/{self.roles[senior]}/parents/{self.roles[junior]}")

    async def assign(self, user_id: UUID, role: str) -> str:
        body = {"user_id": str(user_id), "role_id": self.roles[role]}
        return (await self.call("POST", "/role-assignments", body))["id"]

    async def check(self, user_id: UUID, permission: str) -> bool:
        kind, _, action = permission.partition(":")
        question = {
            "subject": {"type": "user", "id": str(user_id)},
            "action": {"name": action},
            "resource": {"type": kind, "id": "1"},
        }
        return (await self.call("POST", "/access/evaluation", question))["decision"]

    async def users_of(self, role: str, **more: Any) -> set[str]:
        found = await self.call("GET", "/role-assignments", params={"role_id": self.roles[role], **more})
        return {each["user_id"] for each in found["items"]}

    async def says(self, role: str) -> set[str]:
        return {each["permission"] for each in await self.call("GET", f"/roles/{self.roles[role]}/permissions")}

    async def rights(self, user_id: UUID) -> set[tuple[str, str]]:
        """Permissions, each with the role that says so."""
        found = await self.call("GET", f"/access/rights/{user_id}")
        return {(each["permission"], each["role"]) for each in found["grounds"]}


@pytest.fixture
async def rbac(people: "People") -> Rbac:
    boss = people.client(await people.add("boss@example.com", "super_admin"))
    made = Rbac(people, boss)
    for role, permission in (("junior", "content:read"), ("senior", "content:update")):
        await made.add_role(role)
        await made.grant(role, permission)
    return made


async def test_add_user_and_delete_user(rbac: Rbac, query: "Query") -> None:
    begun = await rbac.call("POST", "/imports", {})
    line = json.dumps({"email": "new@example.com"}).encode()
    answer = await rbac.boss.put(f"{V1}/imports/{begun['id']}/lines/1", content=line)
    assert answer.status_code == 200, answer.text
    [(user_id,)] = await query("SELECT id FROM users WHERE email = 'new@example.com'")
    await query("UPDATE users SET status = 'ACTIVE' WHERE id = :id", id=user_id)  # as auth tells once it is verified
    await rbac.assign(user_id, "junior")
    assert await rbac.check(user_id, "content:read")
    await rbac.call("DELETE", f"/users/{user_id}")
    assert not await rbac.check(user_id, "content:read")


async def test_add_role_and_delete_role(rbac: Rbac) -> None:
    taken = {"name": "junior", "display_name": "Another"}
    assert await rbac.refused("POST", "/roles", taken) == "name_taken"
    role_id = await rbac.add_role("short")
    await rbac.call("DELETE", f"/roles/{role_id}")
    assert (await rbac.boss.get(f"{V1}/roles/{role_id}")).status_code == 404


async def test_assign_user_and_deassign_user_and_check_access(rbac: Rbac) -> None:
    ada = await rbac.user()
    assert not await rbac.check(ada, "content:read")
    grant = await rbac.assign(ada, "junior")
    assert await rbac.check(ada, "content:read")
    assert not await rbac.check(ada, "content:update")
    await rbac.call("DELETE", f"/role-assignments/{grant}")
    assert not await rbac.check(ada, "content:read")


async def test_grant_permission_and_revoke_permission(rbac: Rbac) -> None:
    ada = await rbac.user()
    await rbac.assign(ada, "junior")
    await rbac.grant("junior", "content:publish")
    assert await rbac.check(ada, "content:publish")
    await rbac.call("DELETE", f"/roles/{rbac.roles['junior']}/permissions/content:publish")
    assert not await rbac.check(ada, "content:publish")


async def test_create_session_and_session_permissions_and_delete_session(rbac: Rbac, sign: "Sign") -> None:
    """A token for less than its user may does less; the user's rights stay when it is gone."""
    ada = await rbac.people.add("ada@example.com", "moderator")

    async def status(scope: str) -> int:
        token = {"Authorization": f"Bearer {sign(str(ada), uuid7(), scope)}"}
        return (await rbac.boss.get(f"{V1}/users", headers=token, auth=httpx.Auth())).status_code

    assert [await status(scope) for scope in ("", "user:update", "user:read")] == [200, 200, 403]
    await rbac.call("DELETE", f"/users/{ada}/sessions")
    assert await rbac.check(ada, "user:update")


async def test_session_roles_and_user_permissions_of_oneself(rbac: Rbac) -> None:
    ada = await rbac.user()
    await rbac.inherit("senior", "junior")
    await rbac.assign(ada, "senior")
    me = (await rbac.people.client(ada).get(f"{V1}/me")).json()
    assert {(each["name"], each["through"]) for each in me["roles"]} == {("senior", None), ("junior", "senior")}
    assert {each["name"] for each in me["permissions"]} == {"content:read", "content:update"}


async def asked_for(rbac: Rbac, user_id: UUID, role: str) -> str:
    body = {"role_id": rbac.roles[role], "minutes": 5, "reason": "now"}
    return (await rbac.people.client(user_id).post(f"{V1}/elevations", json=body)).json()["id"]


async def test_add_active_role_and_drop_active_role(rbac: Rbac) -> None:
    ada = await rbac.user()
    elevation = await asked_for(rbac, ada, "senior")
    assert not await rbac.check(ada, "content:update")
    await rbac.call("POST", f"/elevations/{elevation}/approval", {})
    assert await rbac.check(ada, "content:update")
    assert (await rbac.people.client(ada).delete(f"{V1}/elevations/{elevation}")).status_code == 204
    assert not await rbac.check(ada, "content:update")


async def test_assigned_users_and_assigned_roles(rbac: Rbac) -> None:
    ada, grace = await rbac.user("ada"), await rbac.user("grace")
    await rbac.assign(ada, "junior")
    assert await rbac.users_of("junior") == {str(ada)}
    found = await rbac.call("GET", "/role-assignments", params={"user_id": str(ada)})
    assert [each["role"] for each in found["items"]] == ["junior"]
    assert (await rbac.call("GET", "/role-assignments", params={"user_id": str(grace)}))["items"] == []


async def test_role_permissions_and_user_permissions(rbac: Rbac) -> None:
    ada = await rbac.user()
    await rbac.inherit("senior", "junior")
    await rbac.assign(ada, "senior")
    assert await rbac.says("senior") == {"content:read", "content:update"}
    assert await rbac.says("junior") == {"content:read"}
    assert await rbac.rights(ada) == {("content:read", "junior"), ("content:update", "senior")}


async def test_role_operations_on_object_and_user_operations_on_object(rbac: Rbac) -> None:
    ada = await rbac.user()
    await rbac.grant("junior", "user:read")
    await rbac.assign(ada, "junior")
    assert {each for each in await rbac.says("junior") if each.startswith("content:")} == {"content:read"}
    subject = {"type": "user", "id": str(ada)}
    body = {"subject": subject, "resource": {"type": "content", "id": "1"}}
    assert (await rbac.call("POST", "/access/search/action", body))["results"] == [{"name": "read"}]


async def test_add_inheritance_and_delete_inheritance(rbac: Rbac) -> None:
    ada = await rbac.user()
    await rbac.assign(ada, "senior")
    assert not await rbac.check(ada, "content:read")
    await rbac.inherit("senior", "junior")
    assert await rbac.check(ada, "content:read")
    path = f"/roles/{rbac.roles['junior']}/parents/{rbac.roles['senior']}"
    assert await rbac.refused("PUT", path) == "role_circle"
    await rbac.call("DELETE", f"/roles/{rbac.roles['senior']}/parents/{rbac.roles['junior']}")
    assert not await rbac.check(ada, "content:read")


async def test_add_ascendant_and_add_descendant(rbac: Rbac) -> None:
    """A new role above the others and one below them, with several parents."""
    await rbac.add_role("chief")
    await rbac.add_role("apprentice")
    await rbac.grant("apprentice", "content:create")
    for senior, junior in (("chief", "senior"), ("chief", "apprentice"), ("junior", "apprentice")):
        await rbac.inherit(senior, junior)
    assert await rbac.says("chief") == {"content:update", "content:create"}
    assert await rbac.says("junior") == {"content:read", "content:create"}


async def test_authorized_users_and_authorized_roles(rbac: Rbac) -> None:
    """Whoever has a role, also by one that inherits from it; and all roles that somebody has so."""
    await rbac.inherit("senior", "junior")
    ada, grace = await rbac.user("ada"), await rbac.user("grace")
    await rbac.assign(ada, "senior")
    await rbac.assign(grace, "junior")
    assert await rbac.users_of("junior") == {str(grace)}
    assert await rbac.users_of("junior", include_inherited=True) == {str(ada), str(grace)}
    assert await rbac.users_of("senior", include_inherited=True) == {str(ada)}
    assert {role for _, role in await rbac.rights(ada)} == {"senior", "junior"}
    await rbac.call("PATCH", f"/roles/{rbac.roles['senior']}", {"is_active": False})
    assert await rbac.users_of("junior", include_inherited=True) == {str(grace)}


async def rule_over(rbac: Rbac, kind: str, *roles: str, cardinality: int = 2) -> str:
    body = {"name": f"r{uuid7().hex}", "kind": kind, "cardinality": cardinality}
    made = await rbac.call("POST", "/separation-rules", body | {"role_ids": [rbac.roles[role] for role in roles]})
    return f"/separation-rules/{made['id']}"


@pytest.mark.parametrize("kind", ["STATIC", "DYNAMIC"])
async def test_create_set_and_its_review_and_delete_set(rbac: Rbac, kind: str) -> None:
    """CreateSsdSet, DeleteSsdSet, SsdRoleSets, SsdRoleSetRoles, SsdRoleSetCardinality; and the same of DSD."""
    ada = await rbac.user()
    rule = await rule_over(rbac, kind, "junior", "senior")
    [listed] = await rbac.call("GET", "/separation-rules")
    shown = await rbac.call("GET", rule)
    assert shown == listed
    assert ([role["name"] for role in shown["roles"]], shown["cardinality"]) == (["junior", "senior"], 2)
    await rbac.assign(ada, "junior")
    both = {"user_id": str(ada), "role_id": rbac.roles["senior"]}
    assert await rbac.refused("POST", "/role-assignments", both) == "separation_of_duty"
    await rbac.call("DELETE", rule)
    assert await rbac.call("GET", "/separation-rules") == []
    await rbac.assign(ada, "senior")


@pytest.mark.parametrize("kind", ["STATIC", "DYNAMIC"])
async def test_role_members_and_cardinality_of_a_set(rbac: Rbac, kind: str, query: "Query") -> None:
    """AddSsdRoleMember, DeleteSsdRoleMember, SetSsdSetCardinality; and the same of DSD."""
    ada = await rbac.user()
    await rbac.add_role("third")
    rule = await rule_over(rbac, kind, "junior", "senior")
    await rbac.assign(ada, "junior")
    await rbac.assign(ada, "third")
    everything = [rbac.roles[role] for role in ("junior", "senior", "third")]
    assert await rbac.refused("PATCH", rule, {"role_ids": everything}) == "separation_of_duty"
    assert len((await rbac.call("GET", rule))["roles"]) == 2, "nothing was changed"
    changed = await rbac.call("PATCH", rule, {"role_ids": everything, "cardinality": 3})
    assert ([role["name"] for role in changed["roles"]], changed["cardinality"]) == (["junior", "senior", "third"], 3)
    assert await rbac.refused("PATCH", rule, {"cardinality": 2}) == "separation_of_duty"
    third = {"user_id": str(ada), "role_id": rbac.roles["senior"]}
    assert await rbac.refused("POST", "/role-assignments", third) == "separation_of_duty"
    await rbac.call("PATCH", rule, {"role_ids": everything[1:], "cardinality": 2})
    assert await rbac.refused("POST", "/role-assignments", third) == "separation_of_duty"
    told = await query("SELECT action FROM audit_logs WHERE resource_type = 'separation_rule' ORDER BY id")
    assert [action for (action,) in told] == ["separation_rule.create", *["separation_rule.update"] * 2]


async def test_a_set_is_changed_only_to_what_can_be_and_under_its_etag(rbac: Rbac) -> None:
    rule = await rule_over(rbac, "STATIC", "junior", "senior")
    url = f"{V1}{rule}"
    assert (await rbac.boss.patch(url, json={"description": "x"})).status_code == 428
    old = (await rbac.boss.get(url)).headers["ETag"]
    assert (await rbac.boss.patch(url, json={"description": "x"}, headers={"If-Match": old})).status_code == 200
    assert (await rbac.boss.patch(url, json={"description": "y"}, headers={"If-Match": old})).status_code == 412
    wrong: list[dict[str, Any]] = [
        {"cardinality": 3},
        {"role_ids": [rbac.roles["junior"]] * 2},
        {"role_ids": [rbac.roles["junior"], str(uuid7())]},
        {"kind": "DYNAMIC"},
    ]
    for body in wrong:
        assert (await rbac.boss.patch(url, json=body, headers={"If-Match": "*"})).status_code == 422, body
    assert [role["name"] for role in (await rbac.call("GET", rule))["roles"]] == ["junior", "senior"]


async def test_with_hierarchies_a_set_counts_what_is_inherited(rbac: Rbac) -> None:
    """AssignUser and AddInheritance of the hierarchical SSD: who has a role by another has it."""
    ada = await rbac.user()
    await rbac.add_role("chief")
    await rule_over(rbac, "STATIC", "junior", "senior")
    await rbac.inherit("chief", "senior")
    await rbac.assign(ada, "chief")
    again = {"user_id": str(ada), "role_id": rbac.roles["junior"]}
    assert await rbac.refused("POST", "/role-assignments", again) == "separation_of_duty"
    path = f"/roles/{rbac.roles['chief']}/parents/{rbac.roles['junior']}"
    assert await rbac.refused("PUT", path) == "separation_of_duty"


async def test_add_active_role_is_limited_by_dynamic_separation(rbac: Rbac) -> None:
    """One after the other may be active, never both."""
    ada = await rbac.user()
    await rule_over(rbac, "DYNAMIC", "junior", "senior")
    first, second = await asked_for(rbac, ada, "junior"), await asked_for(rbac, ada, "senior")
    await rbac.call("POST", f"/elevations/{first}/approval", {})
    assert await rbac.refused("POST", f"/elevations/{second}/approval", {}) == "separation_of_duty"
    await rbac.call("DELETE", f"/elevations/{first}")
    await rbac.call("POST", f"/elevations/{second}/approval", {})
    assert await rbac.check(ada, "content:update")


def test_every_function_of_the_standard_has_its_test() -> None:
    """By the words of its name, in a test's name or docstring; those of sets are told once for SSD and DSD."""
    told = Path(__file__).read_text().partition("class Rbac")[2].lower().replace("_", "")
    every = [name for kinds in FUNCTIONS.values() for names in kinds.values() for name in names.split()]
    assert len(every) == 43
    assert [name for name in every if name.lower().replace("dsd", "ssd") not in told] == []
