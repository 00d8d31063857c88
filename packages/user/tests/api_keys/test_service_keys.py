"""API keys of services: who makes, rotates and changes them."""

from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
from packages.user.tests.api_keys.conftest import User, made
from packages.user.tests.api_keys.test_admission import GIVE

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query


async def test_administrators_see_and_end_what_is_everybodys_and_make_what_is_a_services(
    user: User, auth: "AuthFeed", query: "Query"
) -> None:
    issued = await made(user.person(await auth.register()))
    operator = user.operator()
    wanted = {"name": "invoices", "service": "billing", "scopes": ["user:read"]}
    made_for_service = (await operator.post("/user/v1/api-keys", json=wanted)).json()
    assert (made_for_service["service"], made_for_service["user_id"]) == ("billing", None)
    everything = (await operator.get("/user/v1/api-keys")).json()["items"]
    assert {item["id"] for item in everything} == {issued["id"], made_for_service["id"]}
    for query_string, expected in ((f"user_id={issued['user_id']}", issued), ("service=billing", made_for_service)):
        items = (await operator.get(f"/user/v1/api-keys?{query_string}")).json()["items"]
        assert [item["id"] for item in items] == [expected["id"]]
        assert "key" not in items[0]
    assert (await operator.delete(f"/user/v1/api-keys/{issued['id']}")).status_code == 204
    assert (await user.program(issued).get("/user/v1/api-keys")).status_code == 401
    assert len(await query("SELECT id FROM api_keys WHERE revoked_at IS NOT NULL")) == 1


async def test_a_services_key_is_rotated_by_who_could_have_made_it_and_no_users_key_is(
    user: User, auth: "AuthFeed", query: "Query"
) -> None:
    operator, path = user.operator(), "/user/v1/api-keys"
    wanted = {"name": "invoices", "service": "billing", "scopes": ["user:read", "user:delete"]}
    issued = (await operator.post(path, json=wanted)).json()
    ada = await auth.register()
    await query(GIVE, user_id=ada, effect="ALLOW", name="api_key:create", now=user.clock())
    refused = await user.person(ada).post(f"{path}/{issued['id']}/rotation", json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied"), "she may not user:delete"
    answer = await operator.post(f"{path}/{issued['id']}/rotation", json={"overlap_hours": 1})
    assert answer.status_code == 201, answer.text
    successor = answer.json()
    assert (successor["service"], successor["scopes"]) == ("billing", issued["scopes"])
    assert [(await user.program(key).get(f"/user/v1/profiles/{ada}")).status_code for key in (issued, successor)] == [
        404,
        404,
    ]
    await user.later(hours=1)
    assert (await user.program(issued).get(f"/user/v1/profiles/{ada}")).status_code == 401
    own = await made(user.person(ada))
    refused = await user.operator().post(f"{path}/{own['id']}/rotation", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "key_of_a_user")


async def test_nobody_makes_a_services_key_that_has_for_longer_what_he_has_for_an_hour_or_under_a_condition(
    user: User, auth: "AuthFeed", query: "Query"
) -> None:
    """A service's key asks nobody for his rights: what it has once it has until it ends."""
    ada, path = await auth.register(), "/user/v1/api-keys"
    for name in ("api_key:create", "user:read", "user:suspend", "user:delete"):
        await query(GIVE, user_id=ada, effect="ALLOW", name=name, now=user.clock())
    change = """
        UPDATE user_permissions SET {} FROM permissions
        WHERE permissions.id = permission_id AND user_id = :ada AND permissions.name = :name
    """
    soon = user.clock() + timedelta(days=2)
    await query(change.format("expires_at = :soon"), ada=ada, name="user:delete", soon=soon)
    await query(change.format("condition = 'subject.proof_age >= 0'"), ada=ada, name="user:suspend")
    administrator = user.person(ada)

    async def make(scope: str, days: int) -> tuple[int, str]:
        wanted = {"name": "k", "service": "s", "scopes": [scope], "expires_in_days": days}
        answer = await administrator.post(path, json=wanted)
        return answer.status_code, answer.json().get("code", "")

    assert await make("user:read", 90) == (201, "")
    assert await make("user:suspend", 1) == (403, "not_held")
    assert await make("user:delete", 3) == (403, "not_held")
    assert await make("user:delete", 1) == (201, "")
    assert len(await query("SELECT id FROM api_keys")) == 2
    wanted = {"name": "k", "service": "s", "scopes": ["user:suspend"]}
    of_operator = (await user.operator().post(path, json=wanted)).json()
    refused = await administrator.post(f"{path}/{of_operator['id']}/rotation", json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_held")


async def test_nobody_changes_the_keys_of_those_above_him(user: User, auth: "AuthFeed", query: "Query") -> None:
    ada, boss = await auth.register(), await auth.register("boss@example.com")
    for name in ("api_key:read", "api_key:update", "api_key:revoke"):
        await query(GIVE, user_id=ada, effect="ALLOW", name=name, now=user.clock())
    await query(GIVE, user_id=boss, effect="ALLOW", name="system:configure", now=user.clock())
    of_boss, own = await made(user.person(boss), allowed_cidrs=["10.0.0.0/8"]), await made(user.person(ada))
    administrator = user.person(ada)
    for issued, statuses in ((of_boss, (403, 403)), (own, (200, 204))):
        url = f"/user/v1/api-keys/{issued['id']}"
        tag = {"If-Match": (await administrator.get(url)).headers["ETag"]}
        changed = await administrator.patch(url, json={"allowed_cidrs": []}, headers=tag)
        assert (changed.status_code, (await administrator.delete(url)).status_code) == statuses
    assert await query("SELECT allowed_cidrs::text, revoked_at FROM api_keys WHERE user_id = :id", id=boss) == [
        ("{10.0.0.0/8}", None)
    ]


async def test_administration_needs_its_permission(user: User, auth: "AuthFeed") -> None:
    ada = user.person(await auth.register())
    issued = await made(ada)
    path, wanted = "/user/v1/api-keys", {"name": "k", "service": "s", "scopes": ["user:read"]}
    answers: list[httpx.Response] = [
        await ada.get(path),
        await ada.post(path, json=wanted),
        await ada.get(f"{path}/{issued['id']}"),
        await ada.patch(f"{path}/{issued['id']}", json={"name": "n"}, headers={"If-Match": "*"}),
        await ada.delete(f"{path}/{issued['id']}"),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(403, "permission_denied")}
