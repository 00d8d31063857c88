"""The permissions that there are, over HTTP."""

from typing import TYPE_CHECKING

from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Caller, Give, Query

PERMISSIONS = "/user/v1/permissions"
APPROVE = {"resource": "invoice", "action": "approve", "category": "Invoices", "scope": "ORG"}


async def test_a_permission_from_its_making_to_its_end(
    auth: "AuthFeed", caller: "Caller", give: "Give", query: "Query"
) -> None:
    user_id = await auth.register()
    await give(user_id, "super_admin")
    boss = caller(user_id, uuid7())
    created = await boss.post(PERMISSIONS, json=APPROVE)
    assert (created.status_code, created.json()["name"], created.json()["scope"]) == (201, "invoice:approve", "ORG")
    for taken in (APPROVE, {**APPROVE, "resource": "inv0ice"}):
        assert (await boss.post(PERMISSIONS, json=taken)).json()["code"] == "name_taken"
    url, tag = f"{PERMISSIONS}/invoice:approve", {"If-Match": created.headers["ETag"]}
    assert (await boss.patch(url, json={"description": "Approve"})).status_code == 428
    changed = await boss.patch(url, json={"description": "Approve"}, headers=tag)
    assert (changed.json()["description"], changed.json()["category"]) == ("Approve", "Invoices")
    assert (await boss.patch(url, json={"category": "Money"}, headers=tag)).status_code == 412
    assert (await boss.delete(f"{PERMISSIONS}/content:read")).json()["code"] == "permission_in_use"
    await boss.post(PERMISSIONS, json={**APPROVE, "resource": "order"})
    await query(
        "INSERT INTO role_permissions (role_id, permission_id, effect) SELECT roles.id, permissions.id, 'ALLOW'"
        " FROM roles, permissions WHERE roles.name = 'user' AND permissions.name = 'order:approve'"
    )
    await query(
        "DELETE FROM role_permissions USING permissions"
        " WHERE permissions.id = permission_id AND permissions.name = 'order:approve'"
    )
    assert (await boss.delete(f"{PERMISSIONS}/order:approve")).json()["code"] == "permission_in_use", "everybody had it"
    assert (await boss.delete(url)).status_code == 204
    assert (await boss.get(url)).status_code == 404
    told = await query("SELECT data->>'change' FROM outbox WHERE type LIKE '%permission.changed%' ORDER BY position")
    assert [row[0] for row in told] == ["CREATED", "UPDATED", "CREATED", "DELETED"]


async def test_everybody_may_read_them_and_few_may_change_them(
    auth: "AuthFeed", caller: "Caller", query: "Query"
) -> None:
    user, url = caller(await auth.register(), uuid7()), f"{PERMISSIONS}?limit=10"
    names: list[str] = []
    while url:
        answer = await user.get(url)
        names += [item["name"] for item in answer.json()["items"]]
        url = answer.links["next"]["url"] if answer.json()["next"] else ""
    assert names == [row[0] for row in await query("SELECT name FROM permissions ORDER BY name")]
    for answer in (
        await user.post(PERMISSIONS, json=APPROVE),
        await user.patch(f"{PERMISSIONS}/content:read", json={}, headers={"If-Match": "*"}),
        await user.delete(f"{PERMISSIONS}/content:read"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    for body in ({**APPROVE, "resource": "In voice"}, {**APPROVE, "scope": "PLANET"}, {"resource": "invoice"}):
        assert (await user.post(PERMISSIONS, json=body)).status_code == 422
