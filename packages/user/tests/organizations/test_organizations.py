"""Organizations, their teams and members, over HTTP."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
from packages.user.tests.organizations.conftest import MINE, ORGANIZATIONS, TEAMS, somebody

from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Caller, PassTime, Query, Sign

    from orion_core.testing import MovableClock


async def joined(owner: httpx.AsyncClient, url: str, member: httpx.AsyncClient, email: str) -> dict[str, Any]:
    invited = await owner.post(f"{url}/invitations", json={"email": email})
    assert invited.status_code == 201, invited.text
    accepted = await member.post(f"{MINE}/{invited.json()['id']}/acceptance")
    assert accepted.status_code == 200, accepted.text
    return accepted.json()


async def test_an_owner_may_do_everything_in_his_organization_and_nothing_elsewhere(
    boss: httpx.AsyncClient, ada: httpx.AsyncClient, acme: str
) -> None:
    other = await boss.post(ORGANIZATIONS, json={"name": "Other", "slug": "other"})
    for url, status in ((acme, 200), (f"{ORGANIZATIONS}/{other.json()['id']}", 403)):
        tag = (await boss.get(url)).headers["ETag"]
        changed = await ada.patch(url, json={"name": "New"}, headers={"If-Match": tag})
        assert changed.status_code == status, changed.text
        assert (await ada.post(f"{url}/teams", json={"name": "T", "slug": "t"})).status_code == (
            201 if status == 200 else 403
        )
        assert (await ada.get(url)).status_code == status
        assert (await ada.get(f"{url}/members")).status_code == status
        assert (await ada.get(f"{url}/teams")).status_code == status
    assert [each["name"] for each in (await ada.get(ORGANIZATIONS)).json()["items"]] == ["New"]
    assert (await ada.get(ORGANIZATIONS, params={"mine": False})).status_code == 403
    assert (await ada.post(ORGANIZATIONS, json={"name": "B", "slug": "b"})).status_code == 403
    for slug in ("acme", "acrne"):
        assert (await boss.post(ORGANIZATIONS, json={"name": "B", "slug": slug})).json()["code"] == "slug_taken"


async def test_from_the_invitation_to_the_end(
    ada: httpx.AsyncClient, acme: str, auth: "AuthFeed", caller: "Caller", pass_time: "PassTime", query: "Query"
) -> None:
    grace_id = await somebody(auth, "grace")
    grace, eve = caller(grace_id, uuid7()), caller(await somebody(auth, "eve"), uuid7())
    invited = (await ada.post(f"{acme}/invitations", json={"email": "Grace@Example.com"})).json()
    assert (await ada.post(f"{acme}/invitations", json={"email": "grace@example.com"})).json()[
        "code"
    ] == "already_invited"
    assert (await eve.get(MINE)).json()["items"] == []
    assert (await eve.post(f"{MINE}/{invited['id']}/acceptance")).status_code == 404
    assert (await eve.delete(f"/user/v1/invitations/{invited['id']}")).status_code == 403
    assert [each["id"] for each in (await grace.get(MINE)).json()["items"]] == [invited["id"]]
    assert (await grace.get(acme)).status_code == 403
    assert (await grace.post(f"{MINE}/{invited['id']}/acceptance")).json()["status"] == "ACTIVE"
    assert (await grace.post(f"{MINE}/{invited['id']}/acceptance")).status_code == 404
    assert (await grace.get(acme)).status_code == 200
    assert (await grace.post(f"{acme}/invitations", json={"email": "x@example.com"})).status_code == 403
    # What she was given in it goes with her.
    [(editor,)] = await query("SELECT id FROM roles WHERE name = 'editor'")
    place = {"scope": "ORG", "scope_id": acme.rsplit("/", 1)[1]}
    given = await ada.post("/user/v1/role-assignments", json={"user_id": str(grace_id), "role_id": str(editor)} | place)
    assert given.status_code == 201, given.text
    await pass_time(seconds=1)
    assert (await grace.delete(f"{acme}/members/{grace_id}")).status_code == 204
    assert (await grace.get(acme)).status_code == 403
    assert [role["name"] for role in (await grace.get("/user/v1/me")).json()["roles"]] == ["user", "guest"]
    told = await query("SELECT data->>'change' FROM outbox WHERE type LIKE '%membership.changed%' ORDER BY position")
    assert [row[0] for row in told] == ["INVITED", "JOINED", "LEFT"]
    written = await query("SELECT action FROM audit_logs WHERE resource_type = 'membership' ORDER BY id")
    assert [row[0] for row in written] == ["membership.invited", "membership.joined", "membership.left"]


async def test_an_invitation_is_good_for_a_week_and_for_a_verified_address(
    ada: httpx.AsyncClient, acme: str, auth: "AuthFeed", caller: "Caller", pass_time: "PassTime"
) -> None:
    unverified = caller(await auth.register("new@example.com"), uuid7())
    first = (await ada.post(f"{acme}/invitations", json={"email": "new@example.com"})).json()["id"]
    assert (await unverified.get(MINE)).json()["items"] == []
    assert (await unverified.post(f"{MINE}/{first}/acceptance")).status_code == 404
    grace = caller(await somebody(auth, "grace"), uuid7())
    late = (await ada.post(f"{acme}/invitations", json={"email": "grace@example.com"})).json()["id"]
    await pass_time(days=7)
    assert (await grace.post(f"{MINE}/{late}/acceptance")).status_code == 404
    assert (await joined(ada, acme, grace, "grace@example.com"))["status"] == "ACTIVE"
    taken = (await ada.post(f"{acme}/invitations", json={"email": "x@example.com"})).json()["id"]
    assert (await ada.delete(f"/user/v1/invitations/{taken}")).status_code == 204
    assert (await ada.delete(f"/user/v1/invitations/{taken}")).status_code == 404


async def test_an_organization_is_handed_over(
    boss: httpx.AsyncClient,
    ada: httpx.AsyncClient,
    ada_id: UUID,
    acme: str,
    auth: "AuthFeed",
    caller: "Caller",
    pass_time: "PassTime",
    service: httpx.ASGITransport,
    sign: "Sign",
    clock: "MovableClock",
) -> None:
    grace_id = await somebody(auth, "grace")
    grace = caller(grace_id, uuid7())
    assert (await ada.post(f"{acme}/ownership", json={"user_id": str(grace_id)})).status_code == 422
    await joined(ada, acme, grace, "grace@example.com")
    assert (await grace.post(f"{acme}/ownership", json={"user_id": str(grace_id)})).status_code == 403
    assert (await boss.delete(f"/user/v1/users/{grace_id}")).status_code == 200
    assert (await ada.post(f"{acme}/ownership", json={"user_id": str(grace_id)})).json()["code"] == "invalid_fields"
    assert (await boss.post(f"/user/v1/users/{grace_id}/restoration", json={})).status_code == 200
    assert (await ada.delete(f"{acme}/members/{ada_id}")).json()["code"] == "owner_stays"
    await pass_time(seconds=1)
    old = {"Authorization": f"Bearer {sign(str(ada_id), uuid7(), auth_time=int(clock().timestamp()) - 1801)}"}
    async with httpx.AsyncClient(transport=service, base_url="http://user", headers=old) as unlocked:
        refused = await unlocked.post(f"{acme}/ownership", json={"user_id": str(grace_id)})
    assert (refused.status_code, refused.json()["code"]) == (401, "reauthentication_required")
    handed = await ada.post(f"{acme}/ownership", json={"user_id": str(grace_id)})
    assert (handed.status_code, handed.json()["owner_id"]) == (200, str(grace_id))
    assert (await ada.post(f"{acme}/teams", json={"name": "T", "slug": "t"})).status_code == 403
    assert (await grace.post(f"{acme}/teams", json={"name": "T", "slug": "t"})).status_code == 201
    assert (await grace.delete(f"{acme}/members/{ada_id}")).status_code == 204


async def test_teams(
    boss: httpx.AsyncClient, ada: httpx.AsyncClient, ada_id: UUID, acme: str, auth: "AuthFeed", caller: "Caller"
) -> None:
    async def team(slug: str, parent: str | None = None) -> dict[str, Any]:
        made = await ada.post(f"{acme}/teams", json={"name": "T", "slug": slug, "parent_team_id": parent})
        assert made.status_code == 201, made.text
        return made.json() | {"tag": {"If-Match": made.headers["ETag"]}}

    above = await team("above")
    below = await team("below", above["id"])
    circle = await ada.patch(f"{TEAMS}/{above['id']}", json={"parent_team_id": below["id"]}, headers=above["tag"])
    assert (circle.status_code, circle.json()["code"]) == (409, "team_circle")
    for slug in ("above", "ab0ve"):
        assert (await ada.post(f"{acme}/teams", json={"name": "T", "slug": slug})).json()["code"] == "slug_taken"
    other = (await boss.post(ORGANIZATIONS, json={"name": "O", "slug": "other"})).json()["id"]
    foreign = (await boss.post(f"{ORGANIZATIONS}/{other}/teams", json={"name": "F", "slug": "f"})).json()["id"]
    moved = await ada.patch(f"{TEAMS}/{below['id']}", json={"parent_team_id": foreign}, headers=below["tag"])
    assert (moved.status_code, moved.json()["errors"][0]["field"]) == (422, "/parent_team_id")
    assert (await ada.get(f"{TEAMS}/{foreign}")).status_code == 403
    grace_id = await somebody(auth, "grace")
    grace = caller(grace_id, uuid7())
    member = f"{TEAMS}/{below['id']}/members/{grace_id}"
    assert (await ada.put(member)).status_code == 422
    await joined(ada, acme, grace, "grace@example.com")
    assert [(await ada.put(member)).status_code for _ in range(2)] == [200, 200]
    there = (await grace.get(f"{acme}/members", params={"team_id": below["id"]})).json()["items"]
    assert [each["user_id"] for each in there] == [str(grace_id)]
    assert (await grace.put(f"{TEAMS}/{below['id']}/members/{ada_id}")).status_code == 403
    assert (await grace.delete(member)).status_code == 204
    assert (await grace.delete(member)).status_code == 404
    assert (await grace.delete(f"{TEAMS}/{above['id']}")).status_code == 403
    assert (await ada.delete(f"{TEAMS}/{above['id']}")).status_code == 204
    assert (await ada.get(f"{acme}/teams")).json()["items"] == []


async def test_a_deleted_organization_is_gone_and_can_be_restored(
    boss: httpx.AsyncClient, ada: httpx.AsyncClient, acme: str
) -> None:
    assert (await ada.delete(acme)).status_code == 204
    for answer in (
        await ada.get(acme), await ada.delete(acme), await ada.get(f"{acme}/teams"),
        await ada.post(f"{acme}/invitations", json={"email": "x@example.com"}),
        await ada.post(f"{acme}/teams", json={"name": "T", "slug": "t"}),
    ):  # fmt: skip
        assert answer.status_code == 404
    assert (await ada.post(f"{acme}/restoration")).status_code == 403
    assert (await boss.post(f"{acme}/restoration")).json()["deleted_at"] is None
    assert (await ada.get(acme)).status_code == 200
    assert (await ada.delete(acme)).status_code == 204
    assert (await boss.post(ORGANIZATIONS, json={"name": "New", "slug": "acme"})).status_code == 201
    assert (await boss.post(f"{acme}/restoration")).json()["code"] == "slug_taken"
